"""``cbi ledger``: proof that nothing stored was changed."""

from __future__ import annotations

import typer

from cbi_pipeline.commands.console import console, errors
from cbi_pipeline.settings import load_settings

app = typer.Typer(
    help="The response ledger and the chain of issued forecasts.", no_args_is_help=True
)


@app.command()
def verify() -> int:
    """Check every stored response and every issued forecast; name what changed or is missing."""
    from cbi_pipeline.issued import IssuedLedger
    from cbi_pipeline.ledger import Ledger
    from cbi_pipeline.warehouse import Warehouse

    settings = load_settings()
    ledger = Ledger(settings.ledger_dir)
    with Warehouse(settings.warehouse_dir).read() as store:
        found = [*ledger.damage(), *IssuedLedger(store, settings.issued_dir).verify()]
        issued = store.query("SELECT count(*) AS n FROM issued.forecast")["n"][0]
    for line in found:
        errors.print(line)
    if found:
        return 1
    console.print(f"{len(ledger.responses())} responses and {issued:,} forecast rows are sound")
    return 0
