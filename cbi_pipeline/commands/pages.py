"""The servers of ``cbi ui``, each a process of its own with the guard before it.

Dagster's and MLflow's own commands would open their ports to any page that a browser has open.
Here the guard and the pages share a process, so nothing listens behind the guard.
"""

from __future__ import annotations

import os
import sys
import uuid
from typing import TYPE_CHECKING

from cbi_pipeline.commands.guard import Address, Guard, parse_address
from cbi_pipeline.commands.instance import WORKSPACE
from cbi_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    import uvicorn

    from cbi_pipeline.commands.guard import Application

HOST = "127.0.0.1"


def serve_dagster(port: int, allowed: list[Address], settings: Settings, mlflow: str) -> None:
    """Serve Dagster's pages of the instance that ``DAGSTER_HOME`` names, until a signal.

    Args:
        port: on this machine.
        allowed: hosts besides the loopback names.
        settings: of the home whose reports and plots are shown beside them.
        mlflow: where people open MLflow's pages.
    """
    import dagster as dg
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster._utils.interrupts import setup_interrupt_handlers
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.cli import (
        DEFAULT_DB_STATEMENT_TIMEOUT,
        DEFAULT_POOL_MAX_OVERFLOW,
        DEFAULT_POOL_RECYCLE,
    )
    from dagster_webserver.version import __version__

    from cbi_pipeline.commands.home_files import HomeFiles

    setup_interrupt_handlers()
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(
            DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW
        )
        target = WorkspaceFileTarget(paths=[str(WORKSPACE)])
        with WorkspaceProcessContext(instance, target, version=__version__) as context:
            pages = create_app_from_workspace_process_context(context)
            server(HomeFiles(pages, settings, mlflow), port, allowed).run()


def serve_mlflow(port: int, allowed: list[Address], settings: Settings) -> None:
    """Serve MLflow's pages of the private folder, until a signal."""
    artifacts = str(settings.mlflow_dir / "artifacts")
    os.environ |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # The guard is stricter, and it alone knows what the user allowed.
        "MLFLOW_SERVER_ALLOWED_HOSTS": "*",
        # As `mlflow server` does: code that is stored in a record is not run by a server.
        "_MLFLOW_SERVER_BOOT_ID": uuid.uuid4().hex,
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "_MLFLOW_SGI_NAME": "uvicorn",
    }
    from mlflow.server import constants, handlers

    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: settings.mlflow_uri,
        constants.REGISTRY_STORE_URI_ENV_VAR: settings.mlflow_uri,
        constants.ARTIFACT_ROOT_ENV_VAR: artifacts,
        constants.ARTIFACTS_DESTINATION_ENV_VAR: artifacts,
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
    }
    handlers.initialize_backend_stores(settings.mlflow_uri, settings.mlflow_uri, artifacts)
    from mlflow.server.fastapi_app import app

    server(app, port, allowed).run()


def server(app: Application, port: int, allowed: list[Address]) -> uvicorn.Server:
    """A server of an application on this machine alone, with the guard before it."""
    import uvicorn

    # This parser hands on the target of a request as it was sent, with the host it may name.
    settings = uvicorn.Config(
        Guard(app, allowed), host=HOST, port=port, log_level="warning", http="h11"
    )
    return uvicorn.Server(settings)


def main() -> None:
    """Serve the pages named first, on the port named next, under the hosts after MLflow's page."""
    name, port, mlflow, *hosts = sys.argv[1:]
    allowed = [address for address in map(parse_address, hosts) if address]
    if name == "dagster":
        serve_dagster(int(port), allowed, load_settings(), mlflow)
    else:
        serve_mlflow(int(port), allowed, load_settings())


if __name__ == "__main__":
    main()
