"""MLflow, imported late and kept quiet by its own settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from cbi_pipeline.home import make_folders
from cbi_pipeline.registry.errors import RegistryUnreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow reads these on import. Set hard where another value would be unsafe or would let it
# change what is recorded; the log level stays the user's.
_REQUIRED = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_SQLITE = "sqlite:///"
_PATIENCE_S = 10.0
_BUILDING = ".building-"


def prepare() -> None:
    """Settle MLflow's settings; call before every first use of it."""
    os.environ.update(_REQUIRED)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")


def exists(tracking_uri: str) -> bool:
    """False when the address is a SQLite file that is not there yet."""
    file = database(tracking_uri)
    return file is None or file.is_file()


def is_server(tracking_uri: str) -> bool:
    """Whether the address is that of a tracking server."""
    return tracking_uri.startswith(("http://", "https://"))


def connect(tracking_uri: str) -> MlflowClient:
    """A client of a store that exists.

    Raises:
        RegistryUnreachable: it is a server that does not answer.
    """
    if is_server(tracking_uri):
        _require_answer(tracking_uri)
    prepare()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def _require_answer(tracking_uri: str) -> None:
    # MLflow itself asks again for minutes before it says anything.
    import httpx

    try:
        httpx.get(f"{tracking_uri.rstrip('/')}/health", timeout=_PATIENCE_S)
    except httpx.HTTPError as error:
        raise RegistryUnreachable(
            f"the MLflow server at {tracking_uri} does not answer ({error}); start it, or correct "
            f"CBI_MLFLOW_URI"
        ) from error


def create(tracking_uri: str) -> None:
    """Make the SQLite database when it is missing; other stores make themselves.

    MLflow builds its tables in many steps and cannot go on from a half-built file, so they are
    built beside the final place and moved there at once.
    """
    file = database(tracking_uri)
    if file is None or file.is_file():
        return
    make_folders(file.parent)
    for leftover in file.parent.glob(f"{_BUILDING}*"):
        leftover.unlink()
    # A name of its own each time: MLflow keeps connections by name for as long as it lives.
    building = file.with_name(f"{_BUILDING}{uuid4().hex}.db")
    connect(f"{_SQLITE}{building}").search_experiments(max_results=1)
    building.replace(file)


def database(tracking_uri: str) -> Path | None:
    """The file of a SQLite store; None for a store of another kind."""
    if not tracking_uri.startswith(_SQLITE):
        return None
    return Path(tracking_uri.removeprefix(_SQLITE))
