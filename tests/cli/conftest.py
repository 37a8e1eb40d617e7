import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cbi_pipeline.cli import invoke
from tests import commands
from tests.system.homes import copied

Cbi = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cbi() -> Cbi:
    """Runs the command line as a user would: a process of its own, told its home and profile."""

    def run(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {"CBI_HOME": str(home), "CBI_CATALOGUE_FILE": "small.toml"}
        return commands.cbi(arguments, {**os.environ, **own, **variables}).wait()

    return run


@pytest.fixture
def cbi_here(monkeypatch, capsys) -> Cbi:
    """Runs the command line in this process: quick, for what needs no process of its own."""

    def run(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {"CBI_HOME": str(home), "CBI_CATALOGUE_FILE": "small.toml", "DAGSTER_HOME": ""}
        for name, value in {**own, **variables}.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = invoke(list(arguments))
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """A home in which nothing has run."""
    return tmp_path_factory.mktemp("empty") / "home"


@pytest.fixture(scope="session")
def finished(one_night, tmp_path_factory) -> Path:
    """A home in which the whole pipeline has run once."""
    folder = tmp_path_factory.mktemp("finished") / "home"
    return copied(one_night, folder)
