"""The options of ``cbi`` itself, before any command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cbi_pipeline import __version__


def _print_version(asked: bool) -> None:
    if asked:
        print(f"cbi {__version__}")  # noqa: T201
        raise typer.Exit


def _use_catalogue(file: Path | None) -> None:
    # Processes that a command starts read the same catalogue, as do Dagster's own.
    if file is not None:
        os.environ["CBI_CATALOGUE_FILE"] = str(file.absolute() if file.exists() else file)


def describe(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
    catalogue: Annotated[
        Path | None,
        typer.Option(
            "--catalogue",
            metavar="FILE",
            help="Lay this catalogue over the others; one that ships by its name: small.toml.",
            callback=_use_catalogue,
        ),
    ] = None,
) -> None:
    """Commodity forecasts from official records to the morning report."""
