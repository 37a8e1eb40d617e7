"""``cbi data``: what was known, when it became known, and where it came from."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cbi_pipeline.commands import features
from cbi_pipeline.commands.console import Refusal, console
from cbi_pipeline.commands.instants import read_instant
from cbi_pipeline.settings import load_settings

if TYPE_CHECKING:
    import polars as pl

    from data_contracts import Contract

app = typer.Typer(help="Values as they were known.", no_args_is_help=True)
app.command()(features.features)

_SERIES = """
    SELECT series_id AS series, name, unit, frequency, newest, source
    FROM ref.series LEFT JOIN (
        SELECT series_id, max(period) AS newest FROM (
            SELECT series_id, period, status FROM raw.observation UNION ALL
            SELECT series_id, CAST(ts_event AT TIME ZONE 'UTC' AS DATE), status FROM raw.bar)
        WHERE status = 'value' GROUP BY series_id
    ) USING (series_id)
    ORDER BY series_id"""
_BASES = {
    "stamp": "the publisher dated it",
    "calendar": "its scheduled release, confirmed by our own sight of it soon after",
    "first_seen": "when we first saw it; the public may have known earlier",
    "assumed": "its release rule; nobody recorded that it kept to it",
}


@app.command("as-of")
def as_of(
    when: Annotated[str, typer.Argument(help="2016-03-04 or 2016-03-04T10:30.")],
    series: Annotated[str, typer.Option(help="Series id, e.g. EIA.RWTC.")],
    last: Annotated[int, typer.Option(min=1, help="Newest periods shown.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show what the public knew of a series: value, since when, on what basis, from which bytes.

    WHEN is a day (2016-03-04, 20160304 or 2016-W09-5), which stands for its 23:00 in New York, when
    a day's knowledge is complete; or an instant such as 2016-03-04T10:30, in New York unless it
    names an offset. What became known at the instant itself counts.
    """
    from cbi_pipeline.ledger import bind_warehouse
    from cbi_pipeline.warehouse import lineage

    instant = read_instant(when)
    with bind_warehouse(load_settings()).read() as store:
        _require_series(store.table("ref.series")["series_id"].to_list(), series)
        values = lineage(store, instant, series, last)
    if as_json:
        print(_document(values, series, instant))  # noqa: T201
        return
    _print(values, series, instant)


@app.command("series")
def list_series(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List every series that is held: id, name, unit, frequency, newest period, where it is from.

    The newest period is the last one with a value; a series of which none ever came has none.
    """
    from cbi_pipeline.ledger import bind_warehouse

    with bind_warehouse(load_settings()).read() as store:
        listing = store.query(_SERIES)
    if as_json:
        print(json.dumps(_encode_rows(listing), indent=2))  # noqa: T201
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("series", "name", "unit", "frequency", "newest", "source"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "series")
    for row in listing.iter_rows():
        table.add_row(*("never" if cell is None else str(cell) for cell in row))
    console.print(table)


@app.command()
def tables(
    view: Annotated[str | None, typer.Argument(help="Published table; all when left out.")] = None,
) -> None:
    """Show the published tables, or what each column of one is: type, unit, meaning.

    Programs read them with cbi_pipeline.connect().
    """
    from data_contracts.published import PUBLISHED

    if view is None:
        shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        shown.add_column("table", no_wrap=True)
        shown.add_column("what it holds")
        for name, contract in PUBLISHED.items():
            shown.add_row(name, contract.description)
        console.print(shown)
        return
    if view not in PUBLISHED:
        raise Refusal(f"no published table {view!r}; there are: {', '.join(PUBLISHED)}")
    _print_columns(PUBLISHED[view])


def _print_columns(contract: Contract) -> None:
    from data_contracts.documentation import describe

    console.print(f"{contract.table}: {contract.description}\n")
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("column", "type", "unit", "null", "meaning"):
        shown.add_column(heading, no_wrap=heading in ("column", "type"))
    for cells in describe(contract):
        shown.add_row(*cells)
    console.print(shown)


def _require_series(names: list[str], series: str) -> None:
    if series in names:
        return
    from difflib import get_close_matches

    close = get_close_matches(series.upper(), names, n=3, cutoff=0.4) or names[:3]
    raise Refusal(
        f"no series {series!r} in the warehouse; try {', '.join(close)}. `cbi data series` lists "
        "all of them"
    )


def _document(values: pl.DataFrame, series: str, instant: datetime) -> str:
    document = {"series": series, "as_of": _utc(instant), "rows": _encode_rows(values)}
    return json.dumps(document, indent=2)


def _encode_rows(table: pl.DataFrame) -> list[dict[str, object]]:
    return [
        {name: _encode_value(value) for name, value in row.items()}
        for row in table.iter_rows(named=True)
    ]


def _encode_value(value: object) -> object:
    if isinstance(value, datetime):
        return _utc(value)
    return value.isoformat() if isinstance(value, date) else value


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


def _print(values: pl.DataFrame, series: str, instant: datetime) -> None:
    console.print(f"{series} as the public knew it at {_both(instant)}\n")
    if values.is_empty():
        console.print("nothing of it was known then")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("period", "value", "unit", "known since, New York", "UTC", "basis", "bytes"):
        table.add_column(heading, no_wrap=True)
    for row in values.iter_rows(named=True):
        table.add_row(
            str(row["period"]), repr(row["value"]), row["unit"], _desk(row["available_at"]),
            f"{row['available_at']:%Y-%m-%d %H:%M}", row["available_basis"],
            (row["sha256"] or "unknown")[:12],
        )  # fmt: skip
    console.print(table)
    for basis in values["available_basis"].unique().sort():
        console.print(f"{basis}: {_BASES[basis]}", style="dim")


def _both(instant: datetime) -> str:
    return f"{_desk(instant)} New York, {instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _desk(instant: datetime) -> str:
    from cbi_pipeline.operations.pipeline import ZONE

    return f"{instant.astimezone(ZONE):%Y-%m-%d %H:%M}"
