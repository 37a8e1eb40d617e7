"""``cbi ledger``: proof that nothing stored was changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cbi_pipeline.commands.console import Refusal, console, errors
from cbi_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from cbi_pipeline.ledger import Ledger

app = typer.Typer(
    help="The response ledger and the chain of issued forecasts.", no_args_is_help=True
)


@app.command()
def verify() -> int:
    """Check every stored response, the log, the warehouse and every issued forecast.

    Whatever is missing, changed or cut off is named with its file and line, and what to do.
    """
    from cbi_pipeline.ingest import verify_ledger
    from cbi_pipeline.ledger import Ledger
    from cbi_pipeline.warehouse import NothingPublished, WarehouseError

    settings = load_settings()
    ledger = Ledger(settings.ledger_dir)
    faults, issued = verify_ledger(ledger), 0
    try:
        more, issued = _verify_warehouse(settings, ledger)
        faults += more
    except WarehouseError as error:
        if isinstance(error, NothingPublished) and not faults:
            raise
        faults.append(str(error))
    for line in faults:
        errors.print(line)
    if faults:
        return 1
    console.print(f"{len(ledger.responses())} responses and {issued:,} forecast rows are sound")
    return 0


@app.command("accept-clock")
def accept_clock(
    reason: Annotated[str, typer.Option(help="Why this machine's clock is right: required.")],
) -> None:
    """Say that the clock is right although it contradicts the newest ingestion.

    Ingestion stops where nothing bears witness to a clock that is behind the ledger's newest entry,
    or, for a live feed, two days past it. After this it goes on; the reason is kept in the ledger.
    """
    from cbi_pipeline.ingest import accept_clock as note
    from cbi_pipeline.ledger import Ledger

    try:
        accepted = note(Ledger(load_settings().ledger_dir), datetime.now(UTC), reason)
    except ValueError as error:
        raise Refusal(str(error)) from error
    console.print(f"accepted: it is {accepted.at:%Y-%m-%d %H:%M} UTC ({accepted.reason})")


def _verify_warehouse(settings: Settings, ledger: Ledger) -> tuple[list[str], int]:
    """What is wrong with the database, and how many forecast rows it holds."""
    from cbi_pipeline.ingest import verify_warehouse
    from cbi_pipeline.issued import IssuedLedger
    from cbi_pipeline.ledger import bind_warehouse
    from cbi_pipeline.warehouse import Warehouse

    with bind_warehouse(settings).read():
        # Nothing is opened for writing where nothing was ever written.
        pass
    with Warehouse(settings.warehouse_dir).write() as store:
        faults = [
            *verify_warehouse(ledger, store),
            *IssuedLedger(store, settings.issued_dir).verify(),
        ]
        return faults, store.query("SELECT count(*) AS n FROM issued.forecast")["n"][0]
