"""The pages of `cbi ui`, opened by the command and asked over HTTP."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from cbi_pipeline.settings import PROJECT_ROOT

#: Every process that the command begins, or that one of those does, carries this variable.
MARK = "PAGES_OF_THE_TESTS"
RUNS = "{runsOrError{...on Runs{results{runId status jobName}}}}"
CBI = (sys.executable, "-m", "cbi_pipeline.cli")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Pages:
    """The pages of `cbi ui`.

    Args:
        environment: all variables of the command.
        folder: where it is given.
        command: what is called ``cbi`` there.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        folder: Path = PROJECT_ROOT,
        command: Sequence[str] = CBI,
    ) -> None:
        self.port, self.mlflow_port = free_port(), free_port()
        ports = ["--dagster-port", str(self.port), "--mlflow-port", str(self.mlflow_port)]
        self.process = subprocess.Popen(
            [*command, "ui", *ports],
            cwd=folder,
            env={**environment, MARK: str(self.port)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def await_open(self) -> list[str]:
        said = []
        for line in self.process.stdout or ():
            said.append(line)
            if "Ctrl-C" in line:
                return said
        raise AssertionError("the pages did not open: " + "".join(said))

    def ask(self, query: str) -> dict:
        request = urllib.request.Request(
            f"{self.address}/graphql",
            json.dumps({"query": query}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def runs(self, job: str = "nightly") -> dict[str, str]:
        results = self.ask(RUNS)["runsOrError"]["results"]
        return {run["runId"]: run["status"] for run in results if run["jobName"] == job}

    def close(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def close_and_look(pages: Pages, number: signal.Signals) -> None:
    assert pages.close(number) == 0
    for port in (pages.port, pages.mlflow_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    # What the servers themselves started ends a little after them.
    deadline = time.monotonic() + 30
    while left := servers(pages):
        assert time.monotonic() < deadline, left
        time.sleep(0.25)


def servers(pages: Pages) -> list[str]:
    """Every process of the pages, theirs and their servers' own, other than the command itself."""
    mark = f"{MARK}={pages.port}\0".encode()
    return [
        read(folder / "cmdline").replace(b"\0", b" ").decode()
        for folder in Path("/proc").glob("[0-9]*")
        if mark in read(folder / "environ") and folder.name != str(pages.process.pid)
    ]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended while we looked
        return b""
