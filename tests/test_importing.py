"""Importing the package asks nothing of the environment and opens nothing of the home."""

import os
import subprocess
import sys

import pytest

from cbi_pipeline.settings import PROJECT_ROOT

# Settings that cannot be used are refused by whoever reads them; a variable that one of our own
# lines asks for, and a file below the home, are told at the end.
PROGRAM = """
import importlib, os, pkgutil, sys
from pathlib import Path

home, package = sys.argv[1], str(Path("cbi_pipeline").resolve())
met = []

def opened(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(home):
        met.append(arguments[0])

def asked(self, name, get=os._Environ.__getitem__):
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__") in ("os", "collections.abc", "_collections_abc"):
        frame = frame.f_back
    if frame.f_code.co_filename.startswith(package):
        met.append(f"{name} by {frame.f_code.co_filename}:{frame.f_lineno}")
    return get(self, name)

sys.addaudithook(opened)
os._Environ.__getitem__ = asked
import cbi_pipeline
names = [module.name for module in pkgutil.walk_packages(cbi_pipeline.__path__, "cbi_pipeline.")]
for name in names:
    importlib.import_module(name)
print(len(names), *met, sep="\\n")
"""


@pytest.mark.slow
def test_every_module_is_imported_in_an_environment_that_no_command_could_use(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "catalogue.toml").write_text("no = [catalogue")
    environment = {
        **os.environ,
        "CBI_HOME": str(home),
        "CBI_PROFILE": "nonsense",
        "CBI_CATALOGUE_FILE": str(home / "catalogue.toml"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(home)],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    count, *met = done.stdout.split("\n")[:-1]
    assert int(count) > 200
    assert met == []


COUNT_THREADS = """
import os
import tests.warehouse.processes
import polars as pl
before = len(os.listdir("/proc/self/task"))
pl.DataFrame({"a": [1], "b": [2]}).with_columns(pl.col("a") + 1, pl.col("b") + 1)
assert len(os.listdir("/proc/self/task")) > before, "its threads run already"
"""


def test_what_programs_are_forked_from_has_no_threads_of_polars():
    # They would be gone in the program, which waits for them for ever.
    done = subprocess.run(
        [sys.executable, "-c", COUNT_THREADS], cwd=PROJECT_ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
