"""``cbi contracts``: the data contracts for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cbi_pipeline.commands.console import console, refuse_unwritable

app = typer.Typer(help="Data contracts.", no_args_is_help=True)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write into.")] = Path("contracts"),
) -> None:
    """Write the contracts as Open Data Contract Standard documents."""
    from data_contracts.odcs import export as write

    with refuse_unwritable(folder):
        paths = write(folder)
    for path in paths:
        console.print(str(path), soft_wrap=True)
