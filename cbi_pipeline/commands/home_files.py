"""What Dagster's pages link to, beside them: the reports and plots of the home, and MLflow's runs.

The links hold no host and no port (``cbi_pipeline.links``), so they are true wherever the pages are
opened: on another port, through a tunnel, behind a proxy. Files are handed out as they are, never
written, and a report may run nothing: it is shown as a page of no site.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cbi_pipeline.links import PREFIX
from cbi_pipeline.settings import Settings

if TYPE_CHECKING:
    from starlette.types import Scope

    from cbi_pipeline.commands.guard import Application, Receive, Send
    from cbi_pipeline.commands.guard import Scope as AnyScope

_HEADERS = {
    "content-security-policy": "sandbox allow-popups; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data:",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


class HomeFiles:
    """An ASGI application that answers below ``PREFIX`` and hands everything else on.

    Args:
        app: the pages.
        settings: of the home whose files are shown.
        mlflow: where people open MLflow's pages.
    """

    def __init__(self, app: Application, settings: Settings, mlflow: str) -> None:
        self._app = app
        self._mlflow = mlflow.rstrip("/")
        self._own = Starlette(
            routes=[
                Mount(f"{PREFIX}/reports", _Folder(settings.reports_dir)),
                Mount(f"{PREFIX}/plots", _Folder(settings.plots_dir)),
                Route(f"{PREFIX}/mlflow/runs/{{run_id}}", self._open_run),
            ]
        )

    async def __call__(self, scope: AnyScope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        is_own = scope["type"] == "http" and scope["path"].startswith(f"{PREFIX}/")
        await (self._own if is_own else self._app)(scope, receive, send)

    async def _open_run(self, request: Request) -> Response:
        run = request.path_params["run_id"]
        if not (run.isascii() and run.isalnum()):
            return Response("no such run", status_code=404)
        return RedirectResponse(f"{self._mlflow}/#/runs/{run}")


class _Folder(StaticFiles):
    """A folder that may not be there yet."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)

    async def check_config(self) -> None:
        """Nothing is wrong with a folder in which nothing was written yet."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, or 404."""
        answer = await super().get_response(path, scope)
        answer.headers.update(_HEADERS)
        return answer
