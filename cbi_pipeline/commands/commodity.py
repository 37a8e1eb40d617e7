"""``cbi commodity``: follow a commodity that is priced by a file of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cbi_pipeline.commands.console import Refusal, console, errors
from cbi_pipeline.settings import load_settings

if TYPE_CHECKING:
    from cbi_pipeline.operations.add_commodity import Addition, Request

app = typer.Typer(help="Commodities of your own.", no_args_is_help=True)

_File = Annotated[
    Path, typer.Argument(help="Its prices: CSV, Excel or Parquet.", exists=True, dir_okay=False)
]
_Name = Annotated[str, typer.Option(help="What people call it; 'Own gas' becomes own_gas.")]
_Unit = Annotated[str, typer.Option(help="Unit of its prices, e.g. USD/MMBtu.")]
_Calendar = Annotated[
    str | None,
    typer.Option(help="weekly, monthly, own (the file's weekdays), or a market such as LSE."),
]
_Release = Annotated[
    str | None,
    typer.Option(help="When a price becomes public: 'next business day 18:00 Europe/London'."),
]
_Vintage = Annotated[str | None, typer.Option(help="Column of when each price became public.")]
_Order = Annotated[str | None, typer.Option(help="How dates are written: ymd, dmy or mdy.")]
_Decimal = Annotated[str | None, typer.Option(help="The mark before the fraction: . or ,")]
_Append = Annotated[
    bool, typer.Option("--append", help="Periods that are held and not in the file stay.")
]
_Replace = Annotated[
    bool, typer.Option("--replace", help="The file is the whole history: others go.")
]
_Confirm = Annotated[
    bool, typer.Option("--confirm", help="A level that changes as a unit's does is meant so.")
]
_Alone = Annotated[
    bool, typer.Option("--alone", help="In a new home: leave out the commodities that ship.")
]


@app.command()
def add(
    file: _File,
    name: _Name,
    unit: _Unit,
    calendar: _Calendar = None,
    release: _Release = None,
    date: Annotated[str | None, typer.Option(help="Column of the date.")] = None,
    price: Annotated[str | None, typer.Option(help="Column of the price.")] = None,
    vintage: _Vintage = None,
    date_order: _Order = None,
    decimal: _Decimal = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook.")] = None,
    source: Annotated[str, typer.Option(help="Who measured or published the prices.")] = "",
    append: _Append = False,
    replace: _Replace = False,
    confirm: _Confirm = False,
    alone: _Alone = False,
) -> None:
    """Follow a commodity from now on: read the file, import it, write the catalogue entry.

    What the file shows by itself is said; what it leaves open is refused with the option to type.
    Without --release or --vintage every price counts as known since now, so that no past forecast
    of it can be tested. A refused file changes nothing. Give a later file of the same commodity
    with the same --name and --unit.
    """
    from cbi_pipeline.feeds.own_reading import Reading
    from cbi_pipeline.ingest import TableRuleBroken
    from cbi_pipeline.operations.add_commodity import Request, add_commodity
    from cbi_pipeline.operations.read_own_file import Stated

    if append and replace:
        raise Refusal("say --append or --replace, not both")
    try:
        checked = Reading(order=date_order or "iso", decimal=decimal or ".", release=release or "")  # type: ignore[arg-type]
        stated = Stated(
            date_column=date,
            price_column=price,
            vintage_column=vintage,
            order=checked.order if date_order else None,
            decimal=checked.decimal if decimal else None,
            sheet=sheet,
            release=release,
        )
        mode: Literal["append", "replace"] | None = (
            "append" if append else "replace" if replace else None
        )
        request = Request(
            file, name, unit, stated, calendar, source, mode, confirm=confirm, alone=alone
        )
        _print_addition(request, add_commodity(load_settings(), request))
    except (ValueError, FileNotFoundError, TableRuleBroken) as error:
        raise Refusal(str(error)) from error


@app.command("list")
def list_commodities() -> None:
    """List the commodities that were added to this home."""
    from cbi_pipeline.catalogue import read_layers
    from cbi_pipeline.operations.add_commodity import list_added

    settings = load_settings()
    layers = read_layers(*settings.catalogue_files)
    followed = layers.table("profile", settings.profile, "commodity")
    added = list_added(settings)
    for commodity in added:
        entry = followed.get(commodity, {})
        words = f"{entry.get('name', '')}, {entry.get('unit', '')}, {entry.get('calendar', '')}"
        console.print(f"{commodity}  {words}", soft_wrap=True)
    if not added:
        console.print("none was added; see `cbi commodity add --help`", style="dim")


@app.command()
def remove(
    commodity: Annotated[str, typer.Argument(help="Id, as of `cbi commodity list`.")],
) -> None:
    """Follow a commodity no more; what was imported of it stays in the home."""
    from cbi_pipeline.operations.add_commodity import remove_commodity

    try:
        file = remove_commodity(load_settings(), commodity)
    except ValueError as error:
        raise Refusal(str(error)) from error
    console.print(f"{commodity} is followed no more; {file} is deleted", soft_wrap=True)


def _print_addition(request: Request, addition: Addition) -> None:
    from cbi_pipeline.commands.feeds import print_import

    commodity, reading = addition.proposal.commodity, addition.proposal.file.reading
    for line in addition.proposal.words:
        console.print(line, soft_wrap=True)
    if reading.release:
        console.print(f"public since: {reading.release}, as stated (assumed)", soft_wrap=True)
    elif not reading.vintage_column:
        errors.print(
            "public since: this import. Nothing before it can be tested; say --release with its "
            "first file, e.g. --release 'next business day 18:00 America/New_York'"
        )
    print_import(request.file, commodity.price_series, addition.report, request.mode)
    how = "followed as" if addition.is_new else "followed already as"
    console.print(f"{how} {commodity.id}, see {addition.entry}; next: `cbi run`", soft_wrap=True)
