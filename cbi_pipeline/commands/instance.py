"""The Dagster instance that the command line, the pages and the daemon share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cbi_pipeline.commands.console import writing
from cbi_pipeline.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

_TEMPLATE_FOLDER = ".cbi/dagster"


def prepare_home(settings: Settings) -> Path:
    """Make Dagster's folder inside the private one and point this process at it.

    ``dagster.yaml`` in the project folder is the template; its relative folder becomes the
    absolute one of these settings, so that any working folder and any ``CBI_HOME`` will do.
    """
    settings.make_home()
    home = settings.dagster_dir
    template = (PROJECT_ROOT / "dagster.yaml").read_text()
    text = template.replace(_TEMPLATE_FOLDER, str(home))
    target = home / "dagster.yaml"
    with writing(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def open_instance(settings: Settings) -> DagsterInstance:
    """The persistent instance of these settings; what dead processes left running is ended."""
    prepare_home(settings)
    import dagster as dg

    from cbi_pipeline.defs.processes import end_dead_runs

    instance = dg.DagsterInstance.get()
    end_dead_runs(instance)
    return instance
