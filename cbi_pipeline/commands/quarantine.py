"""``cbi quarantine``: rows that were set aside, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from cbi_pipeline.commands.console import console
from cbi_pipeline.settings import load_settings

app = typer.Typer(help="Rows set aside, with their reasons.", no_args_is_help=True)


@app.command("list")
def list_rows(
    rule: Annotated[str | None, typer.Option(help="Only rows that broke this rule.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows shown at most.")] = 50,
) -> None:
    """List open rows: rule, offending value, where the row stands."""
    from rich.table import Table

    from cbi_pipeline.warehouse import Warehouse

    with Warehouse(load_settings().warehouse_dir).read() as store:
        rows = store.table("quarantine.row", "fate = 'open'")
    if rule is not None:
        rows = rows.filter(rows["rule"] == rule)
    if rows.is_empty():
        console.print("no row is in quarantine" + (f" for the rule {rule}" if rule else ""))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("rule", "series", "column", "value", "where", "row"):
        table.add_column(heading, overflow="fold")
    for row in rows.head(limit).iter_rows(named=True):
        table.add_row(
            row["rule"], row["series_id"], row["column_name"], row["value"] or "-",
            f"{row['response_id'][:8]} {row['locator']}", row["row"],
        )  # fmt: skip
    console.print(table)
    console.print(f"{len(rows)} reasons, {min(limit, len(rows))} shown")
