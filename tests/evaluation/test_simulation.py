import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scipy.stats import binom

from benchmarks import gate

ROOT = Path(gate.__file__).parents[1]


def run_quickly(*command):
    """The one line that a quick benchmark prints."""
    surroundings = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, *command, "--quick", "--json", "-"],
        cwd=ROOT,
        env=surroundings,
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = run.stdout.splitlines()
    return json.loads(line)


@pytest.mark.slow
def test_the_quick_benchmark_prints_one_line_with_a_rate_below_its_level():
    found = run_quickly("benchmarks/gate.py", "--trials", "100")
    assert {"false_promotion_rate", "level", "trials", "power"} <= set(found)
    assert found["false_promotion_rate"] <= binom.ppf(0.999, 100, found["level"]) / 100
    assert found["power"] > 0.15


@pytest.mark.slow
def test_an_honest_refresh_passes_and_planted_losses_are_stopped_before_they_add_up():
    found = run_quickly("-m", "benchmarks.refresh")
    assert found["honest_passed"] >= 0.95
    assert found["worst_loss"] < found["limit"] == 0.03


@pytest.mark.slow
def test_equal_forecasts_are_called_worse_and_their_intervals_exclude_zero_as_rarely_as_stated():
    found = run_quickly("-m", "benchmarks.verdicts")
    (design,) = found["designs"]
    most = binom.ppf(0.999, design["worlds"], found["level"]) / design["worlds"]
    assert design["worse"] <= most
    assert design["better"] <= most
    # A nominal 90 % interval; the five of a world are not independent of each other.
    assert design["interval_excludes_zero"] <= 0.10 + 3 * (0.1 * 0.9 / design["worlds"]) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("design", gate.DESIGNS[3:], ids=lambda design: design.name)
def test_useless_candidates_in_a_row_are_promoted_no_more_often_than_the_level(design):
    trials = 25
    assert gate.false_promotions(design, trials).happened <= binom.ppf(0.999, trials, gate.LEVEL)


@pytest.mark.slow
def test_power_grows_with_the_true_skill():
    curve = list(gate.power_curve(gate.DESIGNS[4], 15, quick=False))
    assert curve[0].promoted.rate <= 0.2
    assert curve[-1].promoted.rate >= 0.8
    assert curve[-1].skill > curve[1].skill > curve[0].skill - 0.01


def test_a_rate_states_the_upper_end_of_its_exact_interval():
    assert gate.Rate("d", 100, 0).high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert gate.Rate("d", 100, 100).high == 1.0
