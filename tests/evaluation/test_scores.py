import json

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from cbi_pipeline.evaluation import decide, losses, score
from cbi_pipeline.evaluation.groups import group
from cbi_pipeline.evaluation.resample import block_bootstrap
from cbi_pipeline.evaluation.scores import METRICS, reliability
from data_contracts.evaluation import SCORE
from tests.evaluation import worlds

FIRST = 10  # earlier weeks are history only


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(2)
    world = worlds.world(rng, clustering=0.5, weeks=110)
    flat = np.full_like(world.scale, 0.02) * np.sqrt(np.array([5.0, 20.0]))
    forecasts = pl.concat(
        [
            world.speak("climatology", flat * 1.2),
            world.speak("ewma", worlds.noisy(rng, world.scale)),
            world.speak("prior", flat),
            world.speak("sharp", world.scale, shift=0.1 * world.scale),
        ]
    ).filter(pl.col("origin_session") >= worlds.session(FIRST))
    return world, forecasts, score(forecasts, world.targets(), world.catalogue)


def figure(scores, metric, recipe="sharp", commodity="c0", horizon="1w"):
    return scores.row(
        by_predicate=(pl.col("recipe") == recipe)
        & (pl.col("metric") == metric)
        & (pl.col("commodity") == commodity)
        & (pl.col("horizon") == horizon),
        named=True,
    )


def test_scores_keep_their_contract_and_their_key(scene):
    *_, scores = scene
    SCORE.validate(scores)
    assert not scores.select(SCORE.key).is_duplicated().any()


def test_every_metric_is_given_for_every_cell_and_margin(scene):
    *_, scores = scene
    sharp = scores.filter(pl.col("recipe") == "sharp")
    assert set(METRICS) <= set(sharp["metric"])
    assert sharp.filter(pl.col("metric") == "crps").height == 3 * 3


NAMED = (
    *("pinball", "crps", "mae", "rmse", "mase", "r2", "mape", "hit_rate", "reliability", "brier"),
    *("qlike", "net_return", "skill_vs_prior", "resolvable_vs_prior", "band_80"),
    *(
        f"{name}_{percent}"
        for name in ("interval", "coverage", "width")
        for percent in (50, 80, 90)
    ),
)


def test_every_recipe_is_told_by_the_same_figures_with_their_intervals(scene):
    *_, scores = scene
    sharp = scores.filter(pl.col("recipe") == "sharp", pl.col("commodity") == "*")
    assert set(NAMED) <= set(sharp["metric"])
    bare = sharp.filter(pl.col("low").is_null() | pl.col("high").is_null())["metric"]
    tenths = {f"pit_{n}" for n in range(1, 11)}
    without = {"reliability", "resolvable", "p_pit", *tenths}
    assert set(bare.str.split("_vs_").list.first()) == without


def test_no_figure_that_cannot_be_negative_has_a_negative_end(scene):
    *_, scores = scene
    signed = "bias|net_return|qlike|skill|r2"
    assert scores.filter(~pl.col("metric").str.contains(signed))["low"].min() >= 0.0


def test_a_cell_matches_a_calculation_by_hand(scene):
    world, _, scores = scene
    y, sigma = world.returns[0, FIRST:, 0], world.scale[0, FIRST:, 0]
    median = 0.1 * sigma
    low, high = median - 1.2815515655446004 * sigma, median + 1.2815515655446004 * sigma
    expected = {
        "mae": np.abs(y - median).mean(),
        "rmse": np.sqrt(((y - median) ** 2).mean()),
        "bias": (y - median).mean(),
        "r2": 1 - ((y - median) ** 2).sum() / (y**2).sum(),
        "point_skill": 1 - np.abs(y - median).sum() / np.abs(y).sum(),
        "hit_rate": (y > 0).mean(),
        "coverage_80": ((low <= y) & (y <= high)).mean(),
        "width_80": (high - low).mean(),
        "qlike": (np.log(sigma**2) + (y / sigma) ** 2).mean(),
        "mape": np.abs(np.exp(median - y) - 1).mean(),
    }
    for metric, value in expected.items():
        assert figure(scores, metric)["value"] == pytest.approx(value), metric


def test_pooled_scores_are_sums_over_forecasts_not_means_of_means(scene):
    world, forecasts, _ = scene
    end = worlds.session(60)
    targets = world.targets().filter((pl.col("commodity") == "c0") | (pl.col("session") < end))
    scores = score(forecasts, targets, world.catalogue)
    rows = losses(forecasts, targets, world.catalogue).filter(pl.col("recipe") == "sharp")
    pooled = figure(scores, "crps", commodity="*", horizon="*")
    assert pooled["value"] == pytest.approx(rows["crps"].mean())
    assert pooled["count"] == rows.height


def test_pooled_skill_is_the_mean_of_the_cells_skills_by_their_precision(scene):
    world, forecasts, scores = scene
    skills = [
        figure(scores, "skill_vs_prior", commodity=c, horizon=h)["value"]
        for c in ("c0", "c1")
        for h in ("1m", "1w")
    ]
    weights = group(losses(forecasts, world.targets(), world.catalogue)).precision
    pooled = figure(scores, "skill_vs_prior", commodity="*", horizon="*")
    assert pooled["value"] == pytest.approx(np.average(skills, weights=weights))


def test_every_interval_holds_its_figure(scene):
    *_, scores = scene
    bounded = scores.drop_nulls("low")
    assert (bounded["low"] <= bounded["value"] + 1e-12).all()
    assert (bounded["value"] <= bounded["high"] + 1e-12).all()


def test_shares_stay_between_zero_and_one(scene):
    *_, scores = scene
    shares = scores.filter(pl.col("metric").str.contains("coverage|hit_rate|brier"))
    assert shares["low"].min() >= 0.0
    assert shares["high"].max() <= 1.0


def test_a_forecast_without_a_call_has_no_hit_rate(scene):
    *_, scores = scene
    called = scores.filter(pl.col("metric") == "hit_rate")["recipe"].unique().to_list()
    assert called == ["sharp"]


def test_no_recipe_has_skill_against_itself(scene):
    *_, scores = scene
    assert scores.filter(
        pl.col("recipe") == "prior", pl.col("metric") == "skill_vs_prior"
    ).is_empty()


def test_the_gate_and_the_scores_give_the_same_numbers_to_the_last_digit(scene):
    world, forecasts, scores = scene
    (decision,) = decide(
        forecasts, world.targets(), ["sharp"], "prior", world.catalogue, decided_at=worlds.NOW
    )
    for contest in json.loads(decision.statistics)["contests"]:
        name = f"skill_vs_{contest['opponent']}"
        assert figure(scores, name, commodity="*", horizon="*")["value"] == pytest.approx(
            contest["skill"], rel=1e-12
        )


@pytest.mark.slow
def test_the_size_of_a_planted_volatility_signal_lies_within_its_interval_as_often_as_stated():
    rng = np.random.default_rng(9)
    flat = 0.02 * np.sqrt(np.array([5.0, 20.0]))
    long_run = worlds.world(rng, clustering=0.5, weeks=40_000, commodities=1)
    sharp = _mean_crps(long_run.returns, long_run.scale)
    sizes = 1 - sharp / _mean_crps(long_run.returns, flat)
    held = 0
    for _ in range(40):
        world = worlds.world(rng, clustering=0.5)
        both = [
            world.speak("prior", np.broadcast_to(flat, world.scale.shape)),
            world.speak("sharp", world.scale),
        ]
        one = group(losses(pl.concat(both), world.targets(), world.catalogue))
        # Cells are in order of their names: the month before the week.
        size = float(one.precision @ np.tile(sizes[::-1], 2))
        low, high = block_bootstrap(one.weeks, one.lags).interval(
            *one.scale_losses("sharp", "prior")
        )
        held += 1 - high <= size <= 1 - low
    assert 0.75 <= held / 40 <= 1.0


def _mean_crps(returns, scale):
    """The exact score of normal forecasts, per horizon."""
    y = returns / scale
    unit = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
    return (scale * unit).mean(axis=(0, 1))


def test_no_forecasts_have_no_scores(scene):
    world, forecasts, _ = scene
    assert score(forecasts.head(0), world.targets(), world.catalogue).is_empty()


def test_two_evaluations_in_one_frame_are_refused(scene):
    world, forecasts, _ = scene
    mixed = pl.concat([forecasts, forecasts.with_columns(evaluation_id=pl.lit("other"))])
    with pytest.raises(ValueError, match="exactly one evaluation"):
        score(mixed, world.targets(), world.catalogue)


def test_reliability_compares_what_was_stated_with_what_happened():
    up = np.array([0.1, 0.15, 0.5, 0.9, 1.0, 0.95])
    rose = np.array([0.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    table = reliability(pl.DataFrame({"up": up, "rose": rose}), bins=5)
    assert table["count"].to_list() == [2, 1, 3]
    assert table["up"].to_list() == pytest.approx([0.125, 0.5, 0.95])
    assert table["rose"].to_list() == pytest.approx([0.5, 1.0, 2 / 3])


def test_the_after_cost_return_pays_a_tenth_of_a_percent_for_each_call(scene):
    world, _, scores = scene
    y = world.returns[0, FIRST:, 0]
    assert figure(scores, "net_return")["value"] == pytest.approx((y - 0.001).mean())
