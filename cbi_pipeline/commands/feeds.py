"""``cbi feeds``: where the data comes from."""

from __future__ import annotations

import typer

from cbi_pipeline.commands.console import console
from cbi_pipeline.settings import load_settings

app = typer.Typer(help="Feeds: what there is, and how it stands.", no_args_is_help=True)


@app.command("list")
def list_feeds() -> None:
    """List the feeds with their newest ingestion."""
    from rich.table import Table

    from cbi_pipeline.feeds import archive
    from cbi_pipeline.warehouse import NothingPublished, Warehouse

    settings = load_settings()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("feed", "source", "series", "last ingested", "accepted", "quarantined"):
        table.add_column(heading)
    last: tuple[str, ...] = ("never", "-", "-")
    try:
        with Warehouse(settings.warehouse_dir).read() as store:
            newest = store.table("ledger.txn", "feed = ?", ["archive"]).tail(1)
            for row in newest.iter_rows(named=True):
                last = (
                    f"{row['seen_at']:%Y-%m-%d %H:%M} UTC",
                    f"{row['accepted']:,}",
                    f"{row['quarantined']:,}",
                )
    except NothingPublished:
        console.print("[dim]nothing ingested yet; run `cbi run`[/]")
    feed = archive.feed(settings.archive_dir)
    series = archive.series_of(settings.archive_dir)
    table.add_row(feed.name, feed.title, str(len(series)), *last)
    console.print(table)
