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

    from cbi_pipeline.ledger import bind_warehouse

    with bind_warehouse(load_settings()).read() as store:
        rows = store.table("quarantine.row", "fate = 'open'")
    if rule is not None:
        rows = rows.filter(rows["rule"] == rule)
    if rows.is_empty():
        console.print("no row is in quarantine" + (f" for the rule {rule}" if rule else ""))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("rule", "series", "period", "column", "value", "where", "row"):
        table.add_column(heading, overflow="fold")
    for row in rows.head(limit).iter_rows(named=True):
        table.add_row(
            row["rule"], row["series_id"], str(row["period"] or "-"), row["column_name"],
            row["value"] or "-", f"{row['response_id'][:8]} {row['locator']}", row["row"],
        )  # fmt: skip
    console.print(table)
    console.print(f"{len(rows)} reasons, {min(limit, len(rows))} shown")


@app.command()
def retry(
    rule: Annotated[str, typer.Option(help="Rule whose rows are judged again.")],
    feed: Annotated[str | None, typer.Option(help="Only rows of this feed.")] = None,
) -> None:
    """Judge rows again under today's contracts, from the stored bytes; enter those that pass.

    A row that its publisher or its release rule dates is known from that date; any other from now
    on. Rows that still break a rule stay in quarantine, and none is ever removed from it.
    """
    from cbi_pipeline.ingest import retry_quarantined

    results = retry_quarantined(load_settings(), rule, feed)
    if not results:
        of = f" of {feed}" if feed else ""
        console.print(f"no row{of} is in quarantine for the rule {rule}")
    for result in results:
        overtaken = f", {result.overtaken:,} overtaken by newer values" if result.overtaken else ""
        console.print(
            f"{result.feed}: {result.asked:,} rows judged again, "
            f"{result.accepted:,} entered{overtaken}, "
            f"{result.refused:,} still refused"
        )
