"""``cbi report``: render the morning report again from what was issued."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from cbi_pipeline.commands.console import console
from cbi_pipeline.settings import load_settings


def report(
    open_it: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Write the morning report of the newest forecast and say where it is."""
    from cbi_pipeline.commands.morning import newest_morning
    from cbi_pipeline.report.page import write_pages

    path = write_pages(newest_morning(), load_settings().reports_dir)
    console.print(str(path), soft_wrap=True)
    if open_it:
        webbrowser.open(path.as_uri())
