"""The runbook has an entry for every fault, job and check of the code, and its commands run."""

import os
import re
import subprocess
import sys

import pytest

from cbi_pipeline.catalogue import load_feeds
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import PROJECT_ROOT, Settings
from tests.docs.commands import blocks
from tests.docs.faults import find_kinds, find_subjects
from tests.system.homes import copied

PAGE = PROJECT_ROOT / "docs" / "runbook.md"
PARTS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S))


def entries(*parts: str) -> set[str]:
    """What stands as code in the first column of the tables of some parts."""
    lines = [line for part in parts for line in PARTS[part].splitlines() if line.startswith("|")]
    return {name for line in lines for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def test_every_kind_of_fault_has_its_entry_and_no_other():
    in_words = {"CannotBeForecast", "Deviation", "Failed"}
    assert {"Stale", "MissingCredential", *in_words} <= find_kinds()
    assert entries("A feed") == find_kinds() - in_words
    assert all(f"`{kind}`" in PARTS["A night"] for kind in in_words)


def test_every_subject_of_a_fault_has_its_entry_and_no_other():
    subjects = {name.split("> ")[-1] for name in entries("A night")}
    assert {"prices", "forecast", "champion version"} <= find_subjects()
    assert subjects | {"freshness"} == find_subjects()
    assert "<feed> freshness" in PARTS["A feed"]


@pytest.fixture(scope="module")
def graph():
    from tests.defs.graph import defs

    return defs.resolve_asset_graph()


def test_every_check_has_its_entry_and_no_other(graph):
    assert entries("A check") == {key.name for key in graph.asset_check_keys}


def test_every_job_that_is_watched_has_its_entry(tmp_path):
    from cbi_pipeline.defs.alerts import watched_jobs

    watched = watched_jobs(Pipeline(Settings(_env_file=None, home=tmp_path, profile="live")))
    listed = entries("A job")
    assert "ingest_<feed>" in listed
    feeds = {f"ingest_{feed.name}" for feed in load_feeds()}
    assert set(watched) - feeds == listed - {"ingest_<feed>"}


@pytest.mark.slow
def test_the_first_look_runs_as_it_is_written(one_night, tmp_path):
    command = tmp_path / "bin" / "cbi"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m cbi_pipeline.cli "$@"\n')
    command.chmod(0o700)
    home = copied(one_night, tmp_path / "home")
    own = {"CBI_HOME": str(home), "CBI_CATALOGUE_FILE": "small.toml"}
    path = f"{command.parent}:{os.environ['PATH']}"
    (block,) = blocks(PAGE)
    done = subprocess.run(
        ["bash", "-ec", block],
        env={**os.environ, **own, "PATH": path},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
