import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from cbi_pipeline.evaluation import (
    Uncertifiable,
    calibrate,
    calibrate_newest,
    coverage_bands,
    losses,
    margin,
)
from tests.evaluation import worlds

ONE_WEEK = {"1w": 5}


def calibrated(world, scale):
    spoken = world.speak("raw", scale)
    return spoken, calibrate(spoken, world.targets())


def covered(world, frame, percent=80, *, since=0):
    rows = losses(frame, world.targets(), world.catalogue)
    rows = rows.filter(pl.col("origin_session") >= worlds.session(since))
    return rows[f"covered_{percent}"].mean()


@given(st.integers(1, 60), st.floats(0.01, 0.9), st.integers(0, 2**32 - 1))
@settings(max_examples=150)
def test_the_margin_is_the_ranked_score_or_refused(n, alpha, seed):
    scores = np.random.default_rng(seed).standard_normal(n)
    if n < 1 / alpha - 1 - 1e-6:
        with pytest.raises(Uncertifiable):
            margin(scores, alpha)
    elif n > 1 / alpha - 1 + 1e-6:
        found = margin(scores, alpha)
        assert (scores <= found).sum() >= (n + 1) * (1 - alpha) - 1e-6
        assert (scores < found).sum() < (n + 1) * (1 - alpha) + 1e-6


@pytest.mark.parametrize(("n", "alpha"), [(9, 0.1), (19, 0.05), (4, 0.2)])
def test_a_level_is_certified_from_exactly_one_over_alpha_less_one_forecasts_on(n, alpha):
    margin(np.arange(float(n)), alpha)
    with pytest.raises(Uncertifiable, match=f"{n} are needed"):
        margin(np.arange(float(n - 1)), alpha)


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.5])
def test_a_fresh_exchangeable_score_exceeds_the_margin_as_often_as_promised(alpha):
    rng = np.random.default_rng(0)
    trials = 4000
    missed = sum(
        rng.standard_normal() > margin(rng.standard_normal(19), alpha) for _ in range(trials)
    )
    low, high = binom.ppf([0.001, 0.999], trials, alpha)
    assert low <= missed <= high


def test_a_forecast_that_is_too_sure_of_itself_is_brought_to_its_level():
    world = worlds.world(np.random.default_rng(1), weeks=400, steps=ONE_WEEK)
    raw, better = calibrated(world, world.scale * 0.5)
    assert covered(world, raw, since=60) < 0.55
    for percent in (50, 80, 90):
        assert covered(world, better, percent, since=60) == pytest.approx(percent / 100, abs=0.045)


def test_a_forecast_that_is_too_timid_is_narrowed():
    world = worlds.world(np.random.default_rng(2), weeks=400, steps=ONE_WEEK)
    raw, better = calibrated(world, world.scale * 2.0)
    assert covered(world, raw, since=60) > 0.95
    assert covered(world, better, since=60) == pytest.approx(0.8, abs=0.045)


def test_coverage_comes_back_after_a_jump_of_volatility():
    world = worlds.world(np.random.default_rng(3), commodities=4, weeks=300, steps=ONE_WEEK)
    world.returns[:, 120:] *= 2.5
    raw, better = calibrated(world, world.scale)
    assert covered(world, raw, since=180) < 0.55
    assert covered(world, better, since=180) == pytest.approx(0.8, abs=0.05)


def test_calibrated_quantiles_never_cross_and_keep_their_median():
    rng = np.random.default_rng(4)
    world = worlds.world(rng, clustering=0.5)
    raw, better = calibrated(world, worlds.noisy(rng, world.scale, 0.8))
    key = ["commodity", "horizon", "origin_session"]
    gaps = better.sort(*key, "quantile").group_by(key).agg(pl.col("value").diff().min())
    assert gaps["value"].min() >= 0.0
    both = raw.join(better, on=[*key, "quantile"], suffix="_after").filter(
        pl.col("quantile") == 0.5
    )
    assert (both["value"] == both["value_after"]).all()


def test_until_the_past_certifies_a_level_its_interval_stays_as_forecast():
    world = worlds.world(np.random.default_rng(5), commodities=1, weeks=40, steps=ONE_WEEK)
    raw = world.speak("raw", world.scale * 0.5)
    # A return becomes known a week later: origin n knows n returns. No band moves before the 90 %
    # band can be certified.
    for quantile, needed in ((0.05, 9), (0.1, 9), (0.25, 9)):
        alone = raw.filter(pl.col("quantile").is_in([quantile, 0.5, 1 - quantile]))
        better = calibrate(alone, world.targets())
        low = pl.col("quantile") == quantile
        before, after = (
            frame.filter(low).sort("origin_session")["value"] for frame in (alone, better)
        )
        assert (before == after).to_list() == [True] * needed + [False] * (40 - needed)


def test_forecasts_that_overlap_certify_no_more_than_those_that_do_not():
    world = worlds.world(np.random.default_rng(5), commodities=1, weeks=60, steps={"1m": 20})
    raw = world.speak("raw", world.scale * 0.5)
    low = pl.col("quantile") == 0.05
    before, after = (
        frame.filter(low).sort("origin_session")["value"]
        for frame in (raw, calibrate(raw, world.targets()))
    )
    # Nine returns of four weeks, one after the other, are known after 36 weeks.
    assert (before == after).to_list() == [True] * 36 + [False] * 24


def test_the_newest_forecast_is_calibrated_as_the_walk_forward_would():
    world = worlds.world(np.random.default_rng(11), weeks=60, steps=ONE_WEEK)
    raw, targets = world.speak("raw", world.scale * 0.6), world.targets()
    last = pl.col("origin_session") == worlds.session(50)
    past = raw.filter(pl.col("origin_session") <= worlds.session(50))
    public = targets.filter(pl.col("available_at") <= worlds.midnight(worlds.session(50)))
    found = calibrate_newest(raw.filter(last), past, public)
    expected = calibrate(raw, targets).filter(last)
    key = ["commodity", "horizon", "quantile"]
    assert found.sort(key)["value"].equals(expected.sort(key)["value"])
    assert found["value"].to_list() != raw.filter(last)["value"].to_list()


def test_a_forecast_without_a_record_stays_as_made():
    world = worlds.world(np.random.default_rng(12), weeks=60, steps=ONE_WEEK)
    raw = world.speak("raw", world.scale)
    newest = raw.filter(pl.col("origin_session") == pl.col("origin_session").max())
    assert calibrate_newest(newest, raw.clear(), world.targets()).equals(newest)


def test_calibration_reads_nothing_that_was_not_known_at_the_origin():
    world = worlds.world(np.random.default_rng(6))
    spoken, targets = world.speak("raw", world.scale), world.targets()
    instant = worlds.midnight(worlds.session(50))
    shaken = targets.with_columns(
        value=pl.when(pl.col("available_at") > instant).then(9.0).otherwise("value")
    )
    early = pl.col("as_of") <= instant
    one, other = (calibrate(spoken, frame).filter(early) for frame in (targets, shaken))
    assert one.equals(other)


def test_origins_without_a_known_target_are_calibrated_too():
    world = worlds.world(np.random.default_rng(7), commodities=1, steps=ONE_WEEK)
    spoken = world.speak("raw", world.scale * 0.5)
    targets = world.targets().filter(pl.col("session") < worlds.session(90))
    better = calibrate(spoken, targets)
    assert better.height == spoken.height
    last = better.filter(pl.col("origin_session") == worlds.session(99))
    before = spoken.filter(pl.col("origin_session") == worlds.session(99))
    assert last["value"].max() > before["value"].max()


def test_the_band_holds_the_coverage_of_the_truth_as_often_as_stated():
    rng = np.random.default_rng(8)
    inside = []
    for _ in range(25):
        world = worlds.world(rng, commodities=1)
        rows = losses(world.speak("good", world.scale), world.targets(), world.catalogue)
        inside += coverage_bands(rows, "good")["inside"].to_list()
    assert 0.85 <= np.mean(inside) <= 1.0


def test_intervals_far_too_narrow_lie_outside_their_band_everywhere():
    world = worlds.world(np.random.default_rng(8), commodities=3)
    rows = losses(world.speak("bad", world.scale * 0.3), world.targets(), world.catalogue)
    assert not coverage_bands(rows, "bad")["inside"].any()


def test_nothing_to_calibrate_gives_nothing():
    world = worlds.world(np.random.default_rng(9), weeks=5)
    assert calibrate(world.speak("a", world.scale).head(0), world.targets()).is_empty()
