"""The tutorial is run as it is written, block after block in one shell, on a home of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cbi_pipeline.settings import PROJECT_ROOT, Settings
from cbi_pipeline.warehouse import Warehouse
from tests.docs.commands import blocks

PAGE = PROJECT_ROOT / "docs" / "tutorial.md"
COMMAND = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(PROJECT_ROOT)!r})
from cbi_pipeline.cli import main
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder as a clone is after ``make setup``."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "cbi_pipeline").symlink_to(PROJECT_ROOT / "cbi_pipeline")
    command = folder / ".venv" / "bin" / "cbi"
    command.parent.mkdir(parents=True)
    command.write_text(COMMAND)
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def done(folder) -> subprocess.CompletedProcess[str]:
    script = "set -euo pipefail\n" + "\n".join(blocks(PAGE))
    own = {name: value for name, value in os.environ.items() if not name.startswith("CBI_")}
    return subprocess.run(
        [shutil.which("bash") or "bash", "-c", script],
        cwd=folder,
        env={**own, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_has_ten_steps():
    titles = [line for line in PAGE.read_text().splitlines() if line.startswith("## ")]
    assert [title.split(".")[0] for title in titles] == [f"## {n}" for n in range(1, 11)]


@pytest.mark.slow
def test_every_step_runs_as_it_is_written(done):
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.mark.slow
def test_it_ends_with_a_judged_forecast_of_the_own_commodity(done, folder):
    with Warehouse(Settings(home=folder / ".own").warehouse_dir).read() as store:
        issued = store.table("issued.forecast", "track = 'live'")
        scores = store.table("evaluation.score", "commodity = 'own_crude'")
    assert set(issued["commodity"]) == {"own_crude"}
    assert len(scores)
    assert "never tested" not in done.stdout
    assert "own_crude 1q" in done.stdout


@pytest.mark.slow
def test_what_is_new_is_one_version_more(done):
    assert "1 versions added" in done.stdout.splitlines()[-2]
