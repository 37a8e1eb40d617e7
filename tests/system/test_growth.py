"""What a night adds to a home does not depend on how old the home is; rows and bytes alone."""

import json
import subprocess
import sys

import pytest

from cbi_pipeline.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow

#: Of the folders that only ever grow; the database grows in blocks, over some nights.
APPENDED = ("issued", "ledger", "dagster", "mlflow", "reports", "checkpoints")


@pytest.fixture(scope="module")
def figures():
    command = [sys.executable, "-m", "benchmarks.growth", "--quick", "--json", "-"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_night_adds_the_same_rows_to_a_young_and_an_old_home(figures):
    young, old = ([night["rows"] for night in home["nights"]] for home in figures["homes"])
    assert young == old
    assert all(night["market.session"] == 2 for night in young)
    # Once a week a round brings an origin more to be replayed.
    spoken = 2 * 3 * 17
    assert all(night["issued.forecast"] in (spoken, 2 * spoken) for night in young)
    assert all(night["features.origin"] == 2 for night in young)


def test_twice_the_years_add_a_tenth_at_the_most_to_the_bytes_of_a_night(figures):
    young, old = (
        sum(night["bytes"].get(name, 0) for night in home["nights"] for name in APPENDED)
        for home in figures["homes"]
    )
    assert 0 < old <= 1.1 * young


def test_five_years_of_such_nights_fit_and_memory_stays(figures):
    assert all(size < figures["limit_gb"] for size in figures["five_years_gb"].values())
    assert figures["peak_ratio"] <= 1.15
