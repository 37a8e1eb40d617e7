import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom, norm

from benchmarks import gate, gate_worlds
from benchmarks.calibrated import compare_calibrated
from cbi_pipeline.evaluation.gate import judge_field
from tests.evaluation import worlds

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
    found = run_quickly("-m", "benchmarks.gate", "--trials", "100")
    assert {"false_promotion_rate", "level", "trials", "power"} <= set(found)
    assert found["false_promotion_rate"] <= binom.ppf(0.999, 100, found["level"]) / 100
    # Half of the worlds: binom.ppf(0.001, 25, 0.5) / 25.
    assert found["power"] >= 0.2


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


@pytest.mark.parametrize("seed", range(3))
def test_the_benchmark_judges_weekly_losses_as_the_gate_judges_their_table(seed):
    rng = np.random.default_rng(seed)
    world = gate_worlds.draw_world(rng, 2, 150, driver=0.5)
    scales = {"champion": world.scale, "informed": world.informed}
    scales |= {str(n): world.misjudge(rng, 0.2, 0.95) for n in range(2)}
    names = ["informed", "0", "1"]
    table = world.table(scales, world.weeks)
    verdicts = judge_field(
        dict.fromkeys(names, table), "champion", (), gate_worlds.make_catalogue(2)
    )
    for name in names:
        rival = gate_worlds.set_against(world, "champion", scales[name], world.scale)
        (contest,) = verdicts[name].figures["contests"]
        pairing = rival.pair(world.weeks)
        assert contest["skill"] == pytest.approx(pairing.comparison.mean, abs=1e-12)
        assert contest["p_value"] == pytest.approx(pairing.p_value, rel=1e-6)
        assert contest["memory"] == pairing.memory
    field = {
        name: [gate_worlds.set_against(world, "champion", scales[name], world.scale)]
        for name in names
    }
    promoted = [name for name, own in verdicts.items() if own.verdict == "promote"]
    assert [gate.promote_first([field], world.weeks, 1)] == (promoted or [None])


@pytest.mark.slow
def test_calibrated_bands_hold_what_they_say_at_next_to_no_cost():
    found = {one["kind"]: one for one in run_quickly("-m", "benchmarks.calibration")["found"]}
    assert found.keys() == {"iid", "garch", "narrow", "crash"}
    for one in found.values():
        assert 0.78 <= one["coverage"] <= 0.82
        assert one["cost"] <= 0.005
    assert found["narrow"]["plain"] < 0.65
    assert found["narrow"]["mended"] > 0.4
    assert found["crash"]["width"] < 1.3


def test_a_rate_states_the_upper_end_of_its_exact_interval():
    assert gate.Rate("d", 100, 0).high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert gate.Rate("d", 100, 100).high == 1.0


@pytest.mark.slow
def test_what_calibration_moves_is_measured_on_a_home_of_the_embedded_records():
    found = {one["recipe"]: one for one in run_quickly("-m", "benchmarks.calibrated")}
    assert {"prior", "tiny"} <= found.keys()
    # A chance of one half for every rise scores a quarter.
    assert found["prior"]["brier"] == pytest.approx(0.25)
    assert 0.2 < found["tiny"]["brier_calibrated"] < 0.3


def test_the_brier_scores_are_those_of_the_outcomes_of_both_variants():
    world = worlds.world(np.random.default_rng(0))
    plain, better = (world.speak("a", world.scale, shift) for shift in (0.02, 0.0))
    both = pl.concat([plain, better.with_columns(recipe=pl.lit("a+conformal"))])
    (found,) = compare_calibrated(both, world.targets(), world.catalogue)
    rose = world.returns > 0
    stated = norm.cdf(0.02 / world.scale)
    assert found.brier == pytest.approx(np.mean((stated - rose) ** 2))
    assert found.brier_calibrated == pytest.approx(0.25)
