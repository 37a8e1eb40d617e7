"""The same records, the same configuration: the same bits, and no second write."""

import subprocess
import sys
import time

import pytest

from tests.commands import PATIENCE_S
from tests.defs.trees import footprint
from tests.system.homes import Home

pytestmark = pytest.mark.slow


def test_a_second_run_says_nothing_to_do_and_writes_nothing(undisturbed):
    # The first one in a copied home makes Dagster's settings its own.
    undisturbed.run()
    before, began = footprint(undisturbed.path), time.monotonic()
    said = undisturbed.run().stdout
    assert "nothing to do" in said
    assert time.monotonic() - began < 15
    assert footprint(undisturbed.path) == before


def test_two_runs_from_scratch_give_the_same_models_and_forecasts_to_the_bit(undisturbed, tmp_path):
    again = Home(tmp_path / ".cbi")
    # A process that shares nothing with the first, not even the seed of its hashes.
    subprocess.run(
        [sys.executable, "-m", "cbi_pipeline.cli", "run"],
        env=again.environment,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=True,
    )
    assert again.contents() == undisturbed.contents()


def test_a_missing_report_is_made_again_and_nothing_else_changes(undisturbed, tmp_path):
    before = undisturbed.contents()
    (undisturbed.settings.reports_dir / "latest.html").unlink()
    said = undisturbed.run().stdout
    assert "nothing to do" not in said
    assert (undisturbed.settings.reports_dir / "latest.html").is_file()
    assert undisturbed.contents() == before


def test_the_chain_of_issued_forecasts_verifies(undisturbed):
    assert undisturbed.cbi("ledger", "verify").returncode == 0
