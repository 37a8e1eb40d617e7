"""Checks on how often issued bands hold."""

import dagster as dg
import numpy as np
import polars as pl
import pytest

from cbi_pipeline.defs.evaluation import bands
from cbi_pipeline.defs.issued.assets import check_live_coverage
from cbi_pipeline.evaluation import coverage_bands, losses, score
from tests.evaluation import worlds


def told(stretch, weeks=200, name="a+conformal"):
    world = worlds.world(np.random.default_rng(7), weeks=weeks, steps={"1w": 5})
    frame = world.speak(name, world.scale * stretch)
    return score(frame, world.targets(), world.catalogue)


def test_bands_that_hold_pass():
    found = bands.calibration(told(1.0), "a+conformal")
    assert found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN


def test_bands_that_fail_name_the_markets():
    found = bands.calibration(told(0.6), "a+conformal")
    assert not found.passed
    assert "outside for *, c0, c1" in found.description.replace("c0, c1, *", "*, c0, c1")


def test_the_pooled_band_is_held_to_two_points_however_wide_chance_is():
    scores = pl.DataFrame(
        [
            ("a", "*", "*", "coverage_80", 0.83),
            ("a", "*", "*", "band_80", 0.8),
        ],
        schema=["recipe", "commodity", "horizon", "metric", "value"],
        orient="row",
    ).with_columns(low=pl.lit(0.5), high=pl.lit(1.0))
    assert not bands.calibration(scores, "a").passed
    near = scores.with_columns(value=pl.when(metric="coverage_80").then(0.815).otherwise("value"))
    assert bands.calibration(near, "a").passed


def test_a_recipe_that_was_not_evaluated_is_not_judged():
    found = bands.calibration(told(1.0), "b+conformal")
    assert found.passed
    assert "too few to judge" in found.description


def live_bands(world, stretch=1.0):
    """What scoring says of the bands that were issued, of one live forecast a week and market."""
    said = world.speak("live", world.scale * stretch)
    rows = losses(said, world.targets(), world.catalogue)
    return rows.select(
        "commodity",
        "origin_session",
        "as_of",
        "known_at",
        horizon=pl.lit(5, pl.Int64),
        covered=pl.col("covered_80") == 1.0,
    )


def check(world, rows):
    class Pipeline:
        catalogue = world.catalogue

    return check_live_coverage(rows, rows["as_of"].n_unique(), Pipeline())


@pytest.mark.parametrize(("stretch", "passed"), [(1.0, True), (0.5, False)])
def test_live_bands_are_watched(stretch, passed):
    world = worlds.world(np.random.default_rng(8), weeks=150, steps={"1w": 5})
    assert check(world, live_bands(world, stretch)).passed is passed


def test_live_bands_are_judged_as_those_of_a_walk_forward():
    world = worlds.world(np.random.default_rng(8), weeks=150, steps={"1w": 5})
    scored = losses(world.speak("live", world.scale), world.targets(), world.catalogue)
    expected = bands.live_coverage(150, coverage_bands(scored, "live"))
    assert check(world, live_bands(world)).metadata == expected.metadata


def test_before_any_live_target_is_known_nothing_is_judged():
    world = worlds.world(np.random.default_rng(8), weeks=20, steps={"1w": 5})
    found = check(world, live_bands(world).clear())
    assert found.passed
    assert "too few" in found.description


def test_live_forecasts_of_horizons_no_longer_followed_are_left_out():
    world = worlds.world(np.random.default_rng(8), weeks=60, steps={"1w": 5})
    rows = live_bands(world)
    both = pl.concat([rows, rows.with_columns(horizon=pl.lit(7, pl.Int64))])
    assert check(world, both).metadata == check(world, rows).metadata
