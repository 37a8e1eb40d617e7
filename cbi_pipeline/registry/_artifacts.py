"""The files of runs and models, at addresses that name neither a folder nor a machine.

A store keeps ``mlflow-artifacts:/<path>``, MLflow's own scheme for files that a tracking server
hands out: the server resolves it for whoever asks. Beside a store that is a file, the path is one
below the folder of artifacts, which is where ``cbi ui`` and ``mlflow server`` look for it too. So a
home that was moved or copied whole needs nothing.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlparse
from urllib.request import url2pathname

from cbi_pipeline.registry import _mlflow
from cbi_pipeline.registry.errors import RegistryError

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

SCHEME = "mlflow-artifacts"
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Files of one store.

    Attributes:
        tracking_uri: address of the store.
        folder: where files lie beside a store that is a file; a server keeps its own.
    """

    tracking_uri: str
    folder: Path

    def choose_root(self, name: str) -> str | None:
        """Address for the files of a new experiment; None leaves it to the server."""
        return None if _mlflow.is_server(self.tracking_uri) else _root(name)

    def locate(self, address: str) -> Path | None:
        """The folder of an address; None where a server keeps it."""
        parts = urlparse(address)
        if parts.scheme != SCHEME or _mlflow.is_server(self.tracking_uri):
            return None
        return self.folder.resolve() / url2pathname(parts.path.lstrip("/"))

    def open(self, address: str) -> ArtifactRepository:
        """What reads and writes the files at an address."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
        from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

        folder = self.locate(address)
        if folder is not None:
            return LocalArtifactRepository(folder.as_uri())
        return get_artifact_repository(address, tracking_uri=self.tracking_uri)

    def write_json(self, address: str, name: str, document: object) -> None:
        """Keep a document as the file ``name`` below an address."""
        path = Path(name)
        with TemporaryDirectory(prefix="cbi-artifact-") as scratch:
            file = Path(scratch) / path.name
            file.write_text(json.dumps(document, indent=2))
            below = "" if path.parent == Path() else path.parent.as_posix()
            self.open(address).log_artifact(str(file), below or None)

    def read_json(self, address: str, name: str) -> dict[str, Any]:
        """The document that lies as ``name`` below an address."""
        with TemporaryDirectory(prefix="cbi-artifact-") as scratch:
            file = self.open(address).download_artifacts(name, scratch)
            return cast("dict[str, Any]", json.loads(Path(file).read_text()))


def migrate(database: Path, name: str) -> None:
    """Name no folder for the files of a model whose store was made by an earlier version.

    All addresses are rewritten or none; a store that names no folder is left as it is.

    Args:
        database: MLflow's SQLite file.
        name: of the registered model, and of the experiment of its runs.

    Raises:
        RegistryError: the store cannot be read or written.
    """
    try:
        with closing(sqlite3.connect(database, timeout=30)) as store, store:
            old = _recorded_root(store, name)
            if old is not None and urlparse(old).scheme == "file":
                _rewrite(store, old, _root(name))
    except sqlite3.Error as error:
        raise RegistryError(f"cannot open {database}: {error}; nothing was changed") from error


def _root(name: str) -> str:
    return f"{SCHEME}:/{quote(name)}"


def _recorded_root(store: sqlite3.Connection, name: str) -> str | None:
    query = "SELECT artifact_location FROM experiments WHERE name = ?"
    row = store.execute(query, [name]).fetchone()
    return None if row is None else str(row[0])


def _rewrite(store: sqlite3.Connection, old: str, new: str) -> None:
    for table, column in _ADDRESSES:
        # Names of our own list, values bound: nothing here comes from outside.
        store.execute(
            f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "
            f"WHERE substr({column} || '/', 1, length(:old) + 1) = :old || '/'",
            {"old": old, "new": new},
        )
