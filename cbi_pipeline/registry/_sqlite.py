"""A model as MLflow's SQLite file has it, read without MLflow, which takes seconds to load.

Only a file of the layout that is read here is: any other is left to MLflow itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: MLflow's own mark of the layout, of the version that ``requirements.lock`` pins.
REVISION = "dc11669786a5"
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of a model.

    Attributes:
        name: of the model.
        version: its number.
        run_id: its tracking run.
        creation_timestamp: when it was registered, milliseconds of the epoch.
        tags: what was noted with it.
    """

    name: str
    version: int
    run_id: str
    creation_timestamp: int
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A registered model in a SQLite file.

    Attributes:
        file: MLflow's database, of the layout ``REVISION``.
        name: of the model.
    """

    file: Path
    name: str

    def current(self) -> dict[str, int]:
        """Version of each alias that is set."""
        rows = self._rows("SELECT alias, version FROM registered_model_aliases WHERE {own}")
        return {alias: int(version) for alias, version in rows}

    def versions(self) -> list[StoredVersion]:
        """Every version, oldest first."""
        tags: dict[int, dict[str, str]] = {}
        for number, key, value in self._rows(
            "SELECT version, key, value FROM model_version_tags WHERE {own}"
        ):
            tags.setdefault(number, {})[key] = value
        rows = self._rows(
            "SELECT version, run_id, creation_time FROM model_versions "
            "WHERE {own} AND current_stage <> 'Deleted_Internal' ORDER BY version"
        )
        return [
            StoredVersion(self.name, number, run_id, created, tags.get(number, {}))
            for number, run_id, created in rows
        ]

    def find(self, number: int) -> StoredVersion | None:
        """The version of that number, if there is one."""
        return next((version for version in self.versions() if version.version == number), None)

    def is_run_deleted(self, number: int) -> bool:
        """Whether the tracking run of a version there is was deleted."""
        rows = self._rows(
            "SELECT lifecycle_stage FROM runs WHERE run_uuid = ("
            "SELECT run_id FROM model_versions WHERE {own} AND version = :number)",
            number=number,
        )
        return rows == [("deleted",)]

    def _rows(self, query: str, **given: object) -> list[tuple[Any, ...]]:
        own = "name = :name AND workspace = 'default'"
        with closing(_open(self.file)) as store:
            return store.execute(query.format(own=own), {"name": self.name, **given}).fetchall()


def stored_model(file: Path | None, name: str) -> StoredModel | None:
    """A model in MLflow's database; None where MLflow itself must be asked.

    Args:
        file: the database; None for a store of another kind.
        name: of the model.
    """
    if file is None:
        return None
    try:
        with closing(_open(file)) as store:
            revisions = store.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return None  # MLflow says what is wrong with it
    return StoredModel(file, name) if revisions == [(REVISION,)] else None


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_S)
