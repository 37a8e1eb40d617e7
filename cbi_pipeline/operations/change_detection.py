"""Whether anything has changed since the last whole night.

The last asset of a night leaves a note of what the night rested on. While the note still holds,
and what the night made is still there, another night would come to the same.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from importlib import metadata
from pathlib import Path

from cbi_pipeline.catalogue import resolve_recipe
from cbi_pipeline.durable import write_durably
from cbi_pipeline.feeds import ArchiveError
from cbi_pipeline.feeds.archive import verify
from cbi_pipeline.operations.faults import all_made
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import read_catalogue, read_recipes
from cbi_pipeline.operations.training_data import followed_series, read_state
from cbi_pipeline.settings import PROJECT_ROOT

_SOURCES = ("cbi_pipeline", "data_contracts")
_KINDS = {".py", ".toml", ".j2", ".css"}


def is_unchanged(pipeline: Pipeline) -> bool:
    """True when the last night rests on just these records, instant, configuration and code.

    Reads alone; writes nothing.
    """
    note = next((path for path in _notes(pipeline) if path.is_file()), None)
    if note is None or not all(product.exists() for product in _products(pipeline)):
        return False
    try:
        return bool(json.loads(note.read_text()) == basis(pipeline))
    except ArchiveError:
        # The run itself says which file is wrong, where everyone can see it.
        return False


def note_night(pipeline: Pipeline, as_of: datetime) -> bool:
    """Note what the night rested on, if its forecast as of then rests on the newest knowledge.

    Returns:
        False when the newest forecast is older than the data or something of a commodity could
        not be made, so that no note was left.
    """
    if not all_made(pipeline):
        return False
    version, state = _read_champion(pipeline, as_of)
    with pipeline.warehouse.read() as store:
        # A recipe that reads fewer groups is trained on the state of their series alone.
        read = [read_catalogue(file, pipeline.catalogue) for file in read_recipes(pipeline)]
        trained = {
            store.state(as_of, followed_series(catalogue))
            for catalogue in (pipeline.catalogue, *read)
        }
        issued = store.query(
            # The version in use may be an older one: a refresh that was held back is no gap.
            "SELECT count(*) AS n FROM issued.forecast WHERE track = 'live' AND as_of = ? "
            "AND state = ? AND model_version = ? "
            "AND EXISTS (SELECT 1 FROM registry.version WHERE state = ANY(?))",
            [as_of, state, version, sorted({state, *trained})],
        )
    if not issued["n"][0]:
        return False
    note, earlier = _notes(pipeline)
    write_durably(note, json.dumps(basis(pipeline), indent=1).encode())
    earlier.unlink(missing_ok=True)
    return True


def _read_champion(pipeline: Pipeline, as_of: datetime) -> tuple[str, str]:
    """The version in use, and the state at an instant of what it reads; empty where none is."""
    from cbi_pipeline.registry import RegistryError, current_champion

    with pipeline.warehouse.read() as store:
        current = current_champion(store.table("registry.decision"))
    if current is None or current.version is None:
        return "", ""
    try:
        spec = pipeline.registry.load(current.version).spec
    except RegistryError:
        # Its forecast was a fault already; a night without one leaves no note.
        return "", ""
    return str(current.version), read_state(pipeline, as_of, spec.feature_set)


def basis(pipeline: Pipeline) -> dict[str, object]:
    """Everything that decides what a night comes to, and the snapshot it came to.

    Raises:
        ArchiveError: a file of the archive is missing or changed.
    """
    settings = pipeline.settings
    # A run's own note names what it will have published when it ends.
    with pipeline.warehouse.read() as store:
        content = store.content()
    return {
        "profile": settings.profile,
        "as_of": pipeline.as_of(pipeline.today().isoformat()).isoformat(),
        "archive": {file.name: file.sha256 for file in verify(settings.archive_dir)},
        "catalogue": pipeline.catalogue.identity,
        "recipes": [
            # With what they name: another file of that name is another recipe.
            {
                **file.model_dump(mode="json"),
                "fields": resolve_recipe(file, *settings.recipe_folders),
            }
            for file in read_recipes(pipeline)
        ],
        "code": code(PROJECT_ROOT),
        "snapshot": content,
    }


def code(root: Path) -> str:
    """Hash of the sources and the dependency lock; without a lock, of all that is installed."""
    digest = hashlib.sha256()
    lock = root / "requirements.lock"
    files = [path for name in _SOURCES for path in (root / name).rglob("*")]
    for path in sorted([*files, lock]):
        if path.suffix in _KINDS | {".lock"} and path.is_file():
            digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    if not lock.is_file():
        installed = {f"{package.name} {package.version}" for package in metadata.distributions()}
        digest.update("\n".join(sorted(installed)).encode())
    return digest.hexdigest()


def _notes(pipeline: Pipeline) -> tuple[Path, Path]:
    """Where the note lies, and where homes of earlier versions have it."""
    home = pipeline.settings.home
    return home / "last_night.json", home / "standing.json"


def _products(pipeline: Pipeline) -> list[Path]:
    settings = pipeline.settings
    return [
        settings.warehouse_dir / "published" / "current",
        settings.mlflow_dir / "mlflow.db",
        settings.issued_dir / "forecasts.jsonl",
        settings.reports_dir / "latest.html",
    ]
