"""The commands of docs/recover-a-home.md, run as they stand on homes in the state they speak of."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cbi_pipeline.settings import PROJECT_ROOT
from tests.ingest.own_home import Home
from tests.warehouse.damage import harm

pytestmark = pytest.mark.slow
PAGE = (PROJECT_ROOT / "docs" / "recover-a-home.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def blocks(section: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", SECTIONS[section], re.S)


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Home:
    made = Home(tmp_path_factory.mktemp("filled") / "home")
    made.bring("A", 1.0)
    made.bring("B", 3.0)
    return made


@pytest.fixture
def home(filled, tmp_path) -> Home:
    return Home(shutil.copytree(filled.root, tmp_path / "home", symlinks=True))


@pytest.fixture
def run(tmp_path, home):
    """Runs a block as a user's shell would; any command that fails ends it."""
    command = tmp_path / "bin" / "cbi"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m cbi_pipeline.cli "$@"\n')
    command.chmod(0o700)

    def shell(block: str, **variables: str) -> str:
        own = {"CBI_HOME": str(home.root), "PATH": f"{command.parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-ec", block],
            env={**os.environ, **own, **variables},
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return shell


def written(home: Home) -> Path:
    return home.root / "warehouse" / "cbi.duckdb"


def test_a_lost_warehouse(home, run):
    before = home.history()
    shutil.rmtree(home.root / "warehouse")
    (block,) = blocks("The warehouse was lost, or put back from an older copy")
    run(block)
    assert home.history().equals(before)


def test_a_damaged_database(home, run):
    before = home.history()
    harm(written(home), "zeroed header")
    run(blocks("A database file is damaged")[0])
    assert home.history().equals(before)


def test_nothing_but_damaged_files(home, run):
    before = home.history()
    for path in (written(home), *(home.root / "warehouse" / "published").glob("*.duckdb")):
        harm(path, "text")
    with pytest.raises(AssertionError, match="--lossy"):
        run(blocks("A database file is damaged")[0])
    run(blocks("A database file is damaged")[1])
    assert home.history().equals(before)


def test_a_line_without_its_end(home, run):
    log = home.root / "ledger" / "transactions.jsonl"
    log.write_text(log.read_text().rstrip("\n"))
    (block,) = blocks("A line of the ledger is damaged")
    run(block)
    home.bring("C", 5.0)


def test_a_clock_in_doubt(home, run):
    (block,) = blocks("The clock is in doubt")
    assert "(the machine was away for a month)" in run(block)
    home.bring("C", 5.0)
    run("cbi ledger verify")


def test_rules_that_have_been_mended(home, run):
    before = home.history()
    (block,) = blocks("Rows were set aside by a rule that has been mended since")
    assert "today's rules change nothing" in run(block)
    assert home.history().equals(before)


def test_a_lost_ledger(home, filled, run):
    shutil.rmtree(home.root / "ledger")
    (block,) = blocks("The ledger was lost, or put back from an older copy")
    run(block, COPY=str(filled.root))
    home.bring("C", 5.0)


def test_a_moved_home(finished, tmp_path, run):
    moved = shutil.copytree(finished, tmp_path / "moved", symlinks=True)
    (block,) = blocks("The home was moved, or the whole of it put back from a copy")
    run(block, CBI_HOME=str(moved), CBI_CATALOGUE_FILE="small.toml")
    (look,) = blocks("Look")
    run(look, CBI_HOME=str(moved), CBI_CATALOGUE_FILE="small.toml")
