"""``cbi ui``: the Dagster and MLflow pages, on this machine only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import Annotated

import typer

from cbi_pipeline.commands.aliases import restore_aliases
from cbi_pipeline.commands.console import Refusal, console, errors
from cbi_pipeline.commands.guard import parse_address
from cbi_pipeline.commands.instance import WORKSPACE, open_instance
from cbi_pipeline.commands.pages import HOST
from cbi_pipeline.settings import Settings, base_folder, load_settings

_PATIENCE_S = 120.0
_GRACE_S = 20.0


def ui(
    dagster_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the Dagster pages.")
    ] = 3000,
    mlflow_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the MLflow pages.")
    ] = 5000,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Host, or host:port, under which a reverse proxy shows the pages."),
    ] = None,
) -> int:
    """Open the Dagster webserver and daemon and the MLflow pages; Ctrl-C stops them all.

    A supervisor's stop and a closed terminal do the same, so that no server is left behind.
    """
    settings = load_settings()
    hosts = allowed_host or []
    for host in hosts:
        if parse_address(host) is None:
            raise Refusal(f"--allowed-host {host}: give a host or host:port, without http://")
    mlflow = f"http://{HOST}:{mlflow_port}"
    page = settings.mlflow_uri if settings.has_mlflow_server else mlflow
    page_and_hosts = [settings.mlflow_page or page, *hosts]
    commands = _commands(settings, dagster_port, mlflow_port, page_and_hosts)
    ports = [dagster_port, mlflow_port] if "mlflow" in commands else [dagster_port]
    for port in ports:
        if _answers(port):
            raise Refusal(f"port {port} is taken; choose another, see `cbi ui --help`")
    # Only noted: an exception could come between a server's start and its place in the list.
    asked: list[int] = []
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: asked.append(number))
    open_instance(settings)
    _tell_catalogue()
    _tell_aliases(settings)
    children: list[subprocess.Popen[bytes]] = []
    try:
        children.extend(_start(*command, settings) for command in commands.items())
        for port in ports:
            if not _await_port(port, children, asked):
                return 0
        console.print(f"Dagster  http://{HOST}:{dagster_port}")
        console.print(f"MLflow   {page}")
        console.print(f"report   {settings.reports_dir / 'latest.html'}", soft_wrap=True)
        console.print("Ctrl-C stops them.")
        while not asked:
            if any(child.poll() is not None for child in children):
                console.print("one of the servers has ended; stopping the others")
                return 1
            time.sleep(0.25)
        return 0
    finally:
        _stop(children)


def _tell_catalogue() -> None:
    """Say what is wrong with the catalogue; the pages open all the same, and show it."""
    from cbi_pipeline.catalogue import CatalogueError
    from cbi_pipeline.operations.pipeline import Pipeline

    try:
        Pipeline.from_environment().require_catalogue()
    except CatalogueError as error:
        errors.print(f"cbi: {error}. Until it is corrected every run fails with these words.")


def _tell_aliases(settings: Settings) -> None:
    """Undo what was changed past the record; where that cannot be told, the pages open too."""
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.registry import RegistryError
    from cbi_pipeline.warehouse import WarehouseError

    try:
        pipeline = Pipeline(settings)
        pipeline.registry.migrate()
        restore_aliases(pipeline)
    except (RegistryError, WarehouseError) as error:
        errors.print(f"cbi: {error}")


def _commands(
    settings: Settings, dagster_port: int, mlflow_port: int, others: list[str]
) -> dict[str, list[str]]:
    """What is started, by the name of its log; a tracking server has MLflow's pages already."""
    pages = "cbi_pipeline.commands.pages"
    commands = {
        "dagster_webserver": [pages, "dagster", str(dagster_port), *others],
        "dagster": ["dagster._daemon", "run", "-w", str(WORKSPACE)],
    }
    if not settings.has_mlflow_server:
        commands["mlflow"] = [pages, "mlflow", str(mlflow_port), *others]
    return commands


def _start(name: str, module: list[str], settings: Settings) -> subprocess.Popen[bytes]:
    logs = settings.home / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.mlflow_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (logs / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=base_folder(),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def _await_port(port: int, children: list[subprocess.Popen[bytes]], asked: list[int]) -> bool:
    """Wait until a port answers; False when the user asked for the end before."""
    deadline = time.monotonic() + _PATIENCE_S
    while not _answers(port):
        if asked:
            return False
        if any(child.poll() is not None for child in children):
            raise Refusal(
                "a server ended while starting; its log is in the logs folder of CBI_HOME"
            )
        if time.monotonic() > deadline:
            raise Refusal(f"nothing answers on port {port} after {_PATIENCE_S:.0f} s; see the logs")
        time.sleep(0.25)
    return True


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        _signal(child, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(child, signal.SIGKILL)
            child.wait()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # Each child leads a session of its own, so its code servers and workers get the signal too.
    if child.poll() is None:
        os.killpg(child.pid, number)
