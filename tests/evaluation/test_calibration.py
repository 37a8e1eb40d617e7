import numpy as np
import polars as pl
import pytest

from cbi_pipeline.evaluation import calibrate, coverage_bands, losses
from tests.evaluation import worlds
from tests.evaluation.calibrated import calibrate_newest

ONE_WEEK = {"1w": 5}


def calibrated(world, scale):
    spoken = world.speak("raw", scale)
    return spoken, calibrate(spoken, world.targets())


def covered(world, frame, percent=80, *, since=0):
    rows = losses(frame, world.targets(), world.catalogue)
    rows = rows.filter(pl.col("origin_session") >= worlds.session(since))
    return rows[f"covered_{percent}"].mean()


# Markets of 26 years, each forecast with the right shape and a width that is wrong as stated.


def iid(rng):
    return worlds.world(rng, commodities=10, weeks=1352, steps=ONE_WEEK)


def clustered(rng):
    return worlds.world(rng, commodities=10, weeks=1352, steps=ONE_WEEK, clustering=0.4)


@pytest.fixture(scope="module", params=[iid, clustered])
def market(request):
    return request.param(np.random.default_rng(1))


@pytest.mark.slow
@pytest.mark.parametrize("stretch", [0.7, 1.0, 1.5])
def test_a_width_that_is_wrong_throughout_is_put_right(market, stretch):
    raw, better = calibrated(market, market.scale * stretch)
    assert covered(market, better, since=60) == pytest.approx(0.8, abs=0.02)
    assert abs(covered(market, better) - 0.8) <= abs(covered(market, raw) - 0.8) + 0.005


@pytest.mark.slow
def test_half_the_shortfall_is_mended_by_twenty_outcomes():
    world = worlds.world(np.random.default_rng(2), commodities=200, weeks=40, steps=ONE_WEEK)
    raw, better = calibrated(world, world.scale * 0.7)
    early = pl.col("origin_session").is_between(worlds.session(20), worlds.session(39))
    shares = [
        losses(frame, world.targets(), world.catalogue).filter(early)["covered_80"].mean()
        for frame in (raw, better)
    ]
    assert 0.8 - shares[1] < (0.8 - shares[0]) / 2


@pytest.mark.slow
def test_a_width_that_is_right_costs_next_to_nothing(market):
    raw, better = calibrated(market, market.scale)
    costs = [losses(one, market.targets(), market.catalogue)["crps"].sum() for one in (raw, better)]
    assert costs[1] / costs[0] - 1.0 < 0.005


@pytest.mark.slow
def test_a_year_after_a_crash_no_band_is_blown_up():
    world = iid(np.random.default_rng(3))
    world.returns[:, 500:520] *= 4.0
    raw, better = calibrated(world, world.scale)
    week = pl.col("origin_session") == worlds.session(520 + 52)
    ends = [
        one.filter(week, pl.col("quantile") == 0.9)["value"].to_numpy() for one in (raw, better)
    ]
    assert (ends[1] / ends[0]).max() < 1.3


def test_overlapping_forecasts_are_believed_no_more_than_those_that_do_not():
    world = worlds.world(np.random.default_rng(5), commodities=1, weeks=60, steps={"1m": 20})
    raw = world.speak("raw", world.scale * 0.5)
    alone = raw.filter(pl.col("origin_session").rank("dense") % 4 == 1)
    last = pl.col("origin_session") == worlds.session(56)
    widened = [
        calibrate(frame, world.targets()).filter(last)["volatility"][0]
        / frame.filter(last)["volatility"][0]
        for frame in (raw, alone)
    ]
    assert widened[0] == pytest.approx(widened[1], rel=0.25)
    assert min(widened) > 1.0


def test_the_whole_distribution_moves_around_its_median():
    rng = np.random.default_rng(4)
    world = worlds.world(rng, clustering=0.5)
    raw, better = calibrated(world, worlds.noisy(rng, world.scale, 0.8))
    key = ["commodity", "horizon", "origin_session"]
    both = raw.join(better, on=[*key, "quantile"], suffix="_after")
    centre = both.filter(pl.col("quantile") == 0.5).select(*key, centre="value")
    moved = both.join(centre, on=key).with_columns(
        factor=pl.col("volatility_after") / pl.col("volatility")
    )
    expected = moved["centre"] + moved["factor"] * (moved["value"] - moved["centre"])
    assert moved["value_after"].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-12)
    assert moved["factor"].n_unique() > 10


def test_the_newest_forecast_is_calibrated_as_the_walk_forward_would():
    world = worlds.world(np.random.default_rng(11), weeks=60, steps=ONE_WEEK)
    raw, targets = world.speak("raw", world.scale * 0.6), world.targets()
    last = pl.col("origin_session") == worlds.session(50)
    past = raw.filter(pl.col("origin_session") <= worlds.session(50))
    public = targets.filter(pl.col("available_at") <= worlds.midnight(worlds.session(50)))
    found = calibrate_newest(raw.filter(last), past, public)
    expected = calibrate(raw, targets).filter(last)
    key = ["commodity", "horizon", "quantile"]
    for column in ("value", "up", "volatility"):
        assert found.sort(key)[column].equals(expected.sort(key)[column])
    assert found["value"].to_list() != raw.filter(last)["value"].to_list()


def test_a_forecast_without_a_record_stays_as_made():
    world = worlds.world(np.random.default_rng(12), weeks=60, steps=ONE_WEEK)
    raw = world.speak("raw", world.scale)
    newest = raw.filter(pl.col("origin_session") == pl.col("origin_session").max())
    key = ["commodity", "horizon", "quantile"]
    moved = calibrate_newest(newest, raw.clear(), world.targets())
    assert moved.sort(key).equals(newest.sort(key))


# The chance of a rise, in markets that rise more often than they fall.


def brier(world, frame, *, since=0):
    rows = losses(frame, world.targets(), world.catalogue)
    return rows.filter(pl.col("origin_session") >= worlds.session(since))["brier"].mean()


def rising(seed, weeks=1352):
    world = worlds.world(np.random.default_rng(seed), commodities=10, weeks=weeks, steps=ONE_WEEK)
    drift = 0.25 * world.scale.mean()
    world.returns[:] += drift
    return world, drift


@pytest.mark.slow
def test_a_chance_that_is_never_told_becomes_the_base_rate():
    world, _ = rising(21)
    raw, better = calibrated(world, world.scale)
    assert set(raw["up"]) == {0.5}
    late = better.filter(pl.col("origin_session") >= worlds.session(600))
    assert late["up"].mean() == pytest.approx(0.59, abs=0.03)
    assert brier(world, better, since=60) < brier(world, raw, since=60)


@pytest.mark.slow
def test_chances_stated_at_random_are_brought_to_the_base_rate():
    world, _ = rising(22)
    noise = np.random.default_rng(23).normal(0, 1, world.scale.shape) * world.scale
    raw = world.speak("raw", world.scale, noise)
    better = calibrate(raw, world.targets())
    last = pl.col("origin_session") >= worlds.session(600)
    assert better.filter(last)["up"].std() < 0.1 * raw.filter(last)["up"].std()
    assert brier(world, better) < 0.8 * brier(world, raw)


@pytest.mark.slow
def test_a_chance_that_is_right_costs_next_to_nothing():
    world, drift = rising(24)
    raw = world.speak("raw", world.scale, drift)
    better = calibrate(raw, world.targets())
    assert brier(world, better) / brier(world, raw) - 1.0 < 0.005


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
