"""``cbi --version``."""

from __future__ import annotations

from typing import Annotated

import typer

from cbi_pipeline import __version__


def _print_version(asked: bool) -> None:
    if asked:
        print(f"cbi {__version__}")  # noqa: T201
        raise typer.Exit


def describe(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Commodity forecasts from official records to the morning report."""
