"""Where a store says its files lie: whole addresses, which stay behind when the folder moves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse
from urllib.request import url2pathname

from cbi_pipeline.registry.errors import RegistryError, RegistryMoved

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def folder(address: str) -> Path | None:
    """The folder of a ``file:`` address; None for one on another machine."""
    place = urlparse(address)
    return Path(url2pathname(place.path)) if place.scheme == "file" else None


def recorded(client: MlflowClient, name: str) -> str | None:
    """Where the files of model ``name`` were put; None when there are none, or elsewhere."""
    found = client.get_experiment_by_name(name)
    return str(found.artifact_location) if found and folder(found.artifact_location) else None


def require_here(address: str | None, name: str, artifacts: Path) -> None:
    """Refuse a store whose files were put anywhere but below ``artifacts``.

    Args:
        address: where the store says that the files of model ``name`` were put.
        name: of the model.
        artifacts: where this home keeps files.

    Raises:
        RegistryMoved: names both places.
    """
    here = artifacts.resolve() / name
    stood = folder(address) if address else None
    if stood is not None and stood.resolve() != here:
        raise RegistryMoved(
            f"the models were stored in {stood}, but this home keeps them in {here}; "
            f"if the folder was moved or copied, run `cbi models relocate`"
        )


def rewrite(database: Path, old: str, new: str) -> None:
    """Let every address at or below ``old`` lie at ``new``, all of them or none.

    Raises:
        RegistryError: the store cannot be written.
    """
    try:
        with closing(sqlite3.connect(database, timeout=30)) as store, store:
            for table, column in _ADDRESSES:
                # Names of our own list, values bound: nothing here comes from outside.
                store.execute(
                    f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "
                    f"WHERE substr({column} || '/', 1, length(:old) + 1) = :old || '/'",
                    {"old": old, "new": new},
                )
    except sqlite3.Error as error:
        raise RegistryError(f"cannot write {database}: {error}; nothing was changed") from error
