"""``cbi archive``: the embedded records."""

from __future__ import annotations

import typer

from cbi_pipeline.commands.console import console, refuse_unwritable
from cbi_pipeline.settings import load_settings

app = typer.Typer(help="The embedded official records.", no_args_is_help=True)


@app.command()
def verify() -> None:
    """Check every file against its recorded checksum."""
    from cbi_pipeline.feeds import archive

    settings = load_settings()
    for file in archive.verify(settings.archive_dir):
        state = "modified and sealed" if file.modified else "as shipped"
        console.print(f"{file.name}  {file.rows:,} rows  {state}")


@app.command()
def seal() -> None:
    """Record the checksums of files edited on purpose; they stay marked as modified."""
    from cbi_pipeline.feeds import archive

    settings = load_settings()
    with refuse_unwritable(settings.archive_dir):
        changed = archive.seal(settings.archive_dir)
    if not changed:
        console.print("nothing to seal: every file matches its record")
        return
    for name in changed:
        console.print(f"sealed {name}")
    console.print("reports will say that the archive was modified")
