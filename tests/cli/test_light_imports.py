"""What only looks answers without the libraries that train, draw and orchestrate."""

import os
import subprocess
import sys

import pytest

from cbi_pipeline.settings import PROJECT_ROOT

HEAVY = ("dagster", "mlflow", "matplotlib", "pandera", "torch")
SAY = "import sys; print([one for one in {heavy} if one in sys.modules], file=sys.stderr)"
COMMAND = "from cbi_pipeline.cli import invoke; code = invoke({arguments}); assert code == 0, code"
CHECK = """
from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.operations import check_catalogue
from cbi_pipeline.settings import load_settings
settings = load_settings()
catalogue = load_catalogue(*settings.catalogue_files, profile=settings.profile)
check_catalogue(catalogue, settings)
"""
DOCTOR = """
from itertools import islice
from cbi_pipeline.commands.doctor import examine
from cbi_pipeline.settings import load_settings
subjects = [one.subject for one in islice(examine(load_settings()), 4)]
assert subjects == ["python", "package", "disk", "archive"], subjects
"""


def loaded(code: str, home, heavy=HEAVY, **variables: str) -> str:
    """Which heavy libraries a process holds after some code."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{code}\n{SAY.format(heavy=heavy)}"],
        env={**os.environ, "CBI_HOME": str(home), **variables},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["models", "--help"],
        ["feeds", "list"],
        ["catalogue", "show"],
        ["recipes", "list"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("profile", ["archive", "live"])
def test_a_command_that_only_looks_loads_none_of_them(tmp_path, arguments, profile):
    code = COMMAND.format(arguments=arguments)
    assert loaded(code, tmp_path / "home", CBI_PROFILE=profile) == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["forecast"], ["models", "list"], ["feeds", "list"]], ids=" ".join
)
def test_a_finished_home_is_shown_without_them(finished, arguments):
    code = COMMAND.format(arguments=arguments)
    assert loaded(code, finished, CBI_CATALOGUE_FILE="small.toml") == "[]"


def test_doctors_first_lines_come_without_them(tmp_path):
    assert loaded(DOCTOR, tmp_path / "home") == "[]"


@pytest.mark.parametrize("profile", ["archive", "live"])
def test_the_names_of_a_catalogue_are_looked_up_without_them(tmp_path, profile):
    heavy = (*HEAVY, "pandas", "scipy")
    assert loaded(CHECK, tmp_path / "home", heavy, CBI_PROFILE=profile) == "[]"
