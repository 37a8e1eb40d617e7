import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cbi_pipeline.evaluation import losses
from cbi_pipeline.evaluation.losses import (
    NEEDED_LEVELS,
    crps,
    interval_score,
    pinball,
    share_levels,
    tail_crps,
    weigh_levels,
)
from cbi_pipeline.forecasting import DEFAULT_LEVELS
from tests.evaluation import worlds


@pytest.fixture
def small():
    return worlds.world(np.random.default_rng(0), commodities=1, weeks=40)


def scored(one, frame, targets=None):
    targets = one.targets() if targets is None else targets
    return losses(frame, targets, one.catalogue).sort("horizon", "origin_session")


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.01, 0.99))
def test_pinball_charges_the_level_above_and_the_rest_below(value, y, level):
    loss = pinball(np.array([[value]]), np.array([level]), np.array([y]))[0, 0]
    expected = level * (y - value) if y >= value else (1 - level) * (value - y)
    assert loss == pytest.approx(expected, abs=1e-12)


@given(st.floats(-3, 3))
def test_twice_the_pinball_loss_over_all_levels_is_the_crps_of_a_normal_forecast(y):
    levels = (np.arange(4000) + 0.5) / 4000
    mean = 2 * pinball(stats.norm.ppf(levels)[None], levels, np.array([y])).mean()
    crps = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    assert mean == pytest.approx(crps, abs=2e-3)


def test_the_interval_score_adds_the_miss_over_half_the_tail():
    low, high = np.zeros(3), np.ones(3)
    score = interval_score(low, high, np.array([0.5, 1.3, -0.1]), 0.8)
    assert score == pytest.approx([1.0, 1.0 + 0.3 * 10, 1.0 + 0.1 * 10])


EVERY_LEVEL = np.array(DEFAULT_LEVELS)
PERFECT = np.tile(stats.norm.ppf(EVERY_LEVEL), (100_000, 1))


def exact(y):
    """CRPS of a standard normal forecast (Gneiting and Raftery, 2007)."""
    return y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)


def test_the_crps_of_a_perfect_normal_forecast_is_the_exact_one():
    # The expected pinball loss of a quantile of a standard normal is the density there.
    expected = 2 * weigh_levels(DEFAULT_LEVELS) @ stats.norm.pdf(stats.norm.ppf(EVERY_LEVEL))
    assert expected == pytest.approx(1 / np.sqrt(np.pi), rel=3e-6)


@given(st.floats(-4, 4))
def test_the_crps_of_each_outcome_is_near_the_exact_one(y):
    assert crps(PERFECT[:1], EVERY_LEVEL, np.array([y]))[0] == pytest.approx(exact(y), rel=0.02)


def test_the_tail_crps_sees_a_wrong_tail_where_the_crps_hardly_does():
    y = stats.norm.rvs(size=100_000, random_state=1)
    light = PERFECT.copy()
    light[:, [0, -1]] = light[:, [1, -2]]
    loss = {
        score: score(light, EVERY_LEVEL, y).mean() / score(PERFECT, EVERY_LEVEL, y).mean()
        for score in (crps, tail_crps)
    }
    assert 1.0 < loss[crps] < loss[tail_crps]
    assert loss[tail_crps] - 1.0 > 3 * (loss[crps] - 1.0)


@given(st.sets(st.sampled_from(sorted({*DEFAULT_LEVELS} - {*NEEDED_LEVELS}))))
def test_no_level_is_weighed_below_zero_whichever_are_shared(further):
    assert weigh_levels(tuple(sorted({*NEEDED_LEVELS, *further}))).min() > 0.0


@given(st.lists(st.sets(st.sampled_from([*DEFAULT_LEVELS, 0.123, 0.6789])), min_size=1))
def test_forecasts_are_compared_at_the_levels_that_each_has(each):
    shared = share_levels(each)
    assert shared == tuple(one for one in DEFAULT_LEVELS if all(one in own for own in each))


def test_the_crps_column_is_the_score_of_each_forecast(small):
    frame = scored(small, small.speak("a", small.scale))
    for h, label in enumerate(worlds.STEPS):
        y, sigma = small.returns[0, :, h], small.scale[0, :, h]
        expected = sigma * exact(y / sigma)
        got = frame.filter(pl.col("horizon") == label)["crps"].to_numpy()
        assert got == pytest.approx(expected, rel=0.02)


def test_recipes_of_different_levels_are_scored_at_those_they_share(small):
    fewer = small.speak("b", small.scale).filter(pl.col("quantile").is_in(NEEDED_LEVELS))
    frame = scored(small, pl.concat([small.speak("a", small.scale), fewer]))
    mine, theirs = (frame.filter(recipe=name).drop("recipe") for name in ("a", "b"))
    assert mine.equals(theirs)


def test_a_level_of_ones_own_changes_no_score(small):
    plain = small.speak("a", small.scale)
    own = plain.filter(quantile=0.5).with_columns(quantile=pl.lit(0.55))
    assert scored(small, pl.concat([plain, own])).equals(scored(small, plain))


def test_qlike_of_a_flat_density_is_its_log_variance_plus_squared_shock(small):
    frame = scored(small, small.speak("a", small.scale)).filter(pl.col("horizon") == "1w")
    y, sigma = small.returns[0, :, 0], small.scale[0, :, 0]
    assert frame["qlike"].to_numpy() == pytest.approx(np.log(sigma**2) + (y / sigma) ** 2)


def test_a_forecast_of_one_half_calls_no_direction(small):
    silent = scored(small, small.speak("a", small.scale))
    assert silent["called"].sum() == 0
    bold = scored(small, small.speak("a", small.scale, shift=1e-3))
    assert bold["called"].sum() == bold.height
    assert bold["hit"].sum() == (small.returns > 0).sum()


def test_the_newest_version_of_a_target_is_scored_from_its_first_release_on(small):
    targets = small.targets()
    revised = targets.with_columns(
        version=pl.lit(2, pl.Int64),
        value=pl.col("value") + 0.01,
        available_at=pl.col("available_at") + pl.duration(days=400),
    )
    before = scored(small, small.speak("a", small.scale), targets)
    after = scored(small, small.speak("a", small.scale), pl.concat([revised, targets]))
    assert after["y"].to_numpy() == pytest.approx(before["y"].to_numpy() + 0.01)
    assert after["known_at"].equals(before["known_at"])


def test_a_withdrawn_or_unknown_target_is_not_scored(small):
    targets = small.targets()
    gone = targets.head(1).with_columns(
        version=pl.lit(2, pl.Int64), value=pl.lit(None, pl.Float64), price=pl.lit(None, pl.Float64)
    )
    frame = small.speak("a", small.scale)
    assert scored(small, frame, targets.tail(-1)).height == targets.height - 1
    assert scored(small, frame, pl.concat([targets, gone])).height == targets.height - 1


def test_a_percentage_error_near_a_price_of_zero_is_left_out(small):
    targets = small.targets().with_columns(
        price=pl.when(pl.int_range(pl.len()) < 3).then(-37.0).otherwise("price")
    )
    frame = scored(small, small.speak("a", small.scale), targets)
    assert frame["percentage_count"].sum() == frame.height - 3
    assert frame["percentage"].max() < 1.0


def test_a_forecast_that_lacks_a_level_of_its_recipe_is_refused(small):
    frame = small.speak("a", small.scale)
    with pytest.raises(ValueError, match="same quantile levels"):
        scored(small, frame.tail(-1))


def test_figures_of_a_band_whose_ends_are_no_levels_are_left_out(small):
    whole = scored(small, small.speak("a", small.scale))
    frame = small.speak("a", small.scale).filter(pl.col("quantile") != 0.25)
    assert set(whole.columns) - set(scored(small, frame).columns) == {
        "covered_50",
        "width_50",
        "interval_50",
    }


def test_forecasts_without_a_common_level_are_refused(small):
    one, other = (
        small.speak(name, small.scale).filter(pl.col("quantile").is_in(levels))
        for name, levels in (("a", (0.1, 0.9)), ("b", (0.5,)))
    )
    with pytest.raises(ValueError, match="share no level"):
        scored(small, pl.concat([one, other]))


def test_without_the_median_the_point_forecast_lies_between_its_neighbours(small):
    frame = small.speak("a", small.scale, 0.01).filter(pl.col("quantile") != 0.5)
    errors = scored(small, frame)["error"].to_numpy()
    whole = scored(small, small.speak("a", small.scale, 0.01))["error"].to_numpy()
    assert errors == pytest.approx(whole, abs=1e-12)


def test_a_horizon_outside_the_catalogue_is_refused(small):
    frame = small.speak("a", small.scale).with_columns(horizon=pl.lit(7, pl.Int64))
    targets = small.targets().with_columns(horizon=pl.lit(7, pl.Int64)).unique("session")
    frame = frame.unique(["origin_session", "quantile"])
    with pytest.raises(ValueError, match="not in the catalogue"):
        scored(small, frame, targets)


def test_the_usual_move_knows_only_targets_public_before_the_first_origin(small):
    later = small.speak("a", small.scale).filter(pl.col("origin_session") >= worlds.session(20))
    frame = scored(small, later).filter(pl.col("horizon") == "1m")
    assert frame["usual_move"].unique().item() == pytest.approx(
        np.abs(small.returns[0, : 20 - 4 + 1, 1]).mean()
    )


def test_the_true_distribution_has_the_crps_that_theory_gives(small):
    big = worlds.world(np.random.default_rng(1), commodities=1, weeks=4000, steps={"1w": 5})
    frame = scored(big, big.speak("a", big.scale))
    unit = frame["crps"].mean() / big.scale[0, 0, 0]
    assert unit == pytest.approx(1 / np.sqrt(np.pi), rel=0.03)
