"""Programs in processes of their own, each a copy of one that has the libraries loaded.

Loading them is a quarter of a small night, and the tests start dozens of commands. The product
itself each process loads anew. The copies share the seed of Python's hashes; that runs are alike
is shown with a process that is no copy.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cbi_pipeline.settings import PROJECT_ROOT

PATIENCE_S = 600
LIBRARIES = (
    *("alembic.command", "arch.bootstrap", "dagster", "duckdb", "httpx", "hypothesis", "jinja2"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "matplotlib.figure"),
    *("mlflow.pyfunc", "mlflow.store.model_registry.sqlalchemy_store"),
    *("mlflow.store.tracking.sqlalchemy_store", "pandas", "pandas_market_calendars"),
    *("pandera.polars", "polars", "pyarrow", "pydantic_settings", "pyrate_limiter"),
    *("rich.progress", "scipy.stats", "sqlalchemy.orm", "stamina", "torch", "torch._dynamo"),
    "typer",
)
CBI = "from cbi_pipeline.cli import main; main()"
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(LIBRARIES))


class Program:
    """A program, begun in a session of its own; what it says can be read when it has ended.

    Args:
        code: Python, as after ``python -c``.
        arguments: what follows the program's name.
        environment: all of its variables.
        folder: where it runs.
    """

    def __init__(
        self,
        code: str,
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        folder: Path = PROJECT_ROOT,
    ) -> None:
        self.arguments = arguments
        self._said = tempfile.TemporaryDirectory(prefix="cbi-tests-")
        told = (code, arguments, dict(environment), folder, Path(self._said.name))
        self._process = _context.Process(target=_become, args=told)
        self._process.start()

    def running(self) -> bool:
        return self._process.is_alive()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL goes to all of its session, as when a machine goes down."""
        send = os.killpg if number is signal.SIGKILL else os.kill
        if self.running():
            send(self._process.pid, number)

    def wait(self) -> subprocess.CompletedProcess[str]:
        """What it said and its exit code; a negative one is the signal that ended it."""
        self._process.join(PATIENCE_S)
        if self.running():
            self.signal(signal.SIGKILL)
            raise TimeoutError(f"{self.arguments} took more than {PATIENCE_S} s")
        with self._said as folder:
            said = [Path(folder, name).read_text() for name in ("out", "err")]
        return subprocess.CompletedProcess(self.arguments, self._process.exitcode, *said)


def cbi(arguments: tuple[str, ...], environment: Mapping[str, str]) -> Program:
    """The command line, begun as a user would."""
    return Program(CBI, arguments, environment)


def _become(code, arguments, environment, folder, said) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(said / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), number)
    sys.argv = ["-c", *arguments]
    exec(compile(code, "<program>", "exec"), {"__name__": "__main__"})
