"""The Dagster instance that the command line, the pages and the daemon share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from cbi_pipeline.commands.console import Refusal, refuse_unwritable
from cbi_pipeline.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

TEMPLATE = Path(__file__).parents[1] / "dagster.yaml"
WORKSPACE = TEMPLATE.with_name("workspace.yaml")

_FILE = "dagster.yaml"
_MARK = "# Written by cbi, anew at each start: the Dagster settings of "
# Without these Dagster keeps everything beside its file, wherever the folder is moved or copied.
_ADDRESSES = ("storage", "local_artifact_storage", "compute_logs")


def prepare_instance(settings: Settings) -> Path:
    """Make Dagster's folder ready and point this process, and those it starts, at it.

    It is the one inside the private folder, whose ``dagster.yaml`` is written anew from the
    packaged one where it differs; or else the folder of the user's own ``DAGSTER_HOME``, where
    nothing of ours is put.

    Raises:
        Refusal: ``DAGSTER_HOME`` names no folder with a ``dagster.yaml``.
    """
    settings.make_home()
    folder = users_instance(settings)
    if folder is None:
        folder = settings.dagster_dir
        _write_settings(folder)
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def users_instance(settings: Settings) -> Path | None:
    """The folder of the user's own ``DAGSTER_HOME``; None when the private folder's is meant.

    Raises:
        Refusal: it names no folder with a ``dagster.yaml``.
    """
    named = os.environ.get("DAGSTER_HOME", "")
    folder = Path(named).expanduser()
    if not named or folder.resolve() == settings.dagster_dir.resolve():
        return None
    file = folder / _FILE
    if not folder.is_absolute() or not file.is_file():
        raise Refusal(
            f"DAGSTER_HOME is {named}, which is no absolute path of a folder with a {_FILE}; "
            f"put one there (start from {TEMPLATE}), or unset it to use {settings.dagster_dir}"
        )
    return None if _is_ours(file) else folder


def _is_ours(file: Path) -> bool:
    # Which private folder is meant, CBI_HOME says; earlier versions wrote no first line of ours.
    if (file.parent.with_name("ledger") / "manifest.jsonl").is_file():
        return True
    text = file.read_text()
    return text.startswith(_MARK) or text == _template()


def open_instance(settings: Settings) -> DagsterInstance:
    """The persistent instance of these settings; what dead processes left running is ended."""
    prepare_instance(settings)
    import dagster as dg

    from cbi_pipeline.runs.processes import end_dead_runs

    instance = dg.DagsterInstance.get()
    end_dead_runs(instance)
    return instance


def is_current(folder: Path) -> bool:
    """Whether a private folder's ``dagster.yaml`` is what this package writes there."""
    file = folder / _FILE
    return file.is_file() and file.read_text() == _settings_of(folder)


def _write_settings(folder: Path) -> None:
    with refuse_unwritable(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_current(folder):
            return
        # Earlier versions kept the output of steps where Dagster by itself does not look.
        earlier, beside = folder / "logs", folder / "storage"
        if earlier.is_dir() and not beside.exists():
            earlier.rename(beside)
        (folder / _FILE).write_text(_settings_of(folder))


def _settings_of(folder: Path) -> str:
    document = yaml.safe_load(_template())
    kept = {name: value for name, value in document.items() if name not in _ADDRESSES}
    return f"{_MARK}{folder}.\n{yaml.safe_dump(kept, sort_keys=False)}"


def _template() -> str:
    try:
        return TEMPLATE.read_text()
    except FileNotFoundError as error:
        raise Refusal(f"{TEMPLATE} is missing; install cbi-pipeline anew") from error
