"""Recipes of too few levels: scored at their own, compared at common ones, never promoted."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.evaluation import decide, losses, score
from cbi_pipeline.evaluation.groups import group
from cbi_pipeline.evaluation.losses import NEEDED_LEVELS, find_apart, is_apart, weigh_levels
from cbi_pipeline.evaluation.spending import read_account
from cbi_pipeline.forecasting import DEFAULT_LEVELS
from tests.evaluation import worlds

THREE = (0.1, 0.5, 0.9)
NAIVE = ("climatology", "prior")


@given(st.sets(st.sampled_from(DEFAULT_LEVELS)))
def test_a_recipe_stands_apart_unless_it_has_every_level_of_the_scores(levels):
    assert is_apart(levels) == (not set(NEEDED_LEVELS) <= levels)


@given(st.sets(st.sampled_from(DEFAULT_LEVELS), min_size=1))
def test_whichever_levels_there_are_each_weighs_something(levels):
    assert weigh_levels(tuple(sorted(levels))).min() > 0.0


@pytest.fixture(scope="module")
def world():
    return worlds.world(np.random.default_rng(2), clustering=0.6, commodities=2)


def speak(world, levels):
    """Two naive forecasts, a good one, and the good one again at some levels alone."""
    flat = np.broadcast_to(0.02 * np.sqrt(np.array([5.0, 20.0])), world.scale.shape)
    few = world.speak("few", world.scale).filter(pl.col("quantile").round(9).is_in(levels))
    return [
        *(world.speak(name, flat) for name in NAIVE),
        world.speak("good", world.scale * 1.1),
        few,
    ]


def look_at(world, frames, *challengers):
    rows = decide(
        pl.concat(frames), world.targets(), challengers, "prior", world.catalogue,
        decided_at=worlds.NOW, opponents=NAIVE,
    )  # fmt: skip
    return {row.recipe: row for row in rows}


@pytest.mark.parametrize("levels", [THREE, (0.25, 0.75), (0.3,)])
def test_the_gate_shows_it_apart_and_promotes_another(world, levels):
    made = look_at(world, speak(world, levels), "good", "few")
    assert {name: row.verdict for name, row in made.items()} == {"few": "apart", "good": "promote"}
    assert f"few stands apart: {len(levels)} levels" in made["few"].reason
    assert made["few"].frame()["level_left"].item() is None


def test_it_is_compared_at_the_levels_that_both_have(world):
    frames = speak(world, THREE)
    made = look_at(world, frames, "few")["few"]
    common = [frame.filter(pl.col("quantile").round(9).is_in(THREE)) for frame in frames]
    one = group(losses(pl.concat([common[1], common[3]]), world.targets(), world.catalogue))
    (contest,) = (
        own for own in json.loads(made.statistics)["contests"] if own["opponent"] == "prior"
    )
    assert contest["skill"] == pytest.approx(one.difference("few", "prior").mean(), rel=1e-12)
    assert f"{contest['skill']:+.2%} against prior" in made.reason


def test_it_costs_no_level_and_changes_nothing_that_is_said_of_the_others(world):
    frames = speak(world, THREE)
    alone = look_at(world, frames[:-1], "good")["good"]
    both = look_at(world, frames, "good", "few")
    assert both["good"] == alone
    assert read_account(both["few"].frame()).looks == ()


def test_too_few_weeks_are_said_in_words_and_it_stands_apart_all_the_same():
    world = worlds.world(np.random.default_rng(0), weeks=20, clustering=0.6)
    made = look_at(world, speak(world, THREE), "few")["few"]
    assert made.verdict == "apart"
    assert "26 weeks are needed" in made.reason


def test_the_scores_have_it_at_its_own_levels_and_the_others_unchanged(world):
    frames = speak(world, THREE)
    targets, catalogue = world.targets(), world.catalogue
    scores = score(pl.concat(frames), targets, catalogue, against=NAIVE)
    without = score(pl.concat(frames[:-1]), targets, catalogue, against=NAIVE)
    assert scores.filter(pl.col("recipe") != "few").equals(without)
    few = scores.filter(recipe="few", commodity="*", horizon="*")
    figures = dict(few.select("metric", "value").iter_rows())
    assert figures["levels"] == 3
    own = losses(frames[-1], targets, catalogue)
    assert figures["crps"] == pytest.approx(own["crps"].mean())
    assert {"coverage_80", "band_80", "mae", "skill_vs_prior"} <= figures.keys()
    assert not {"coverage_50", "coverage_90", "width_50", "p_pit"} & figures.keys()


def test_its_skill_in_the_scores_is_that_of_the_gate(world):
    frames = speak(world, (0.25, 0.5, 0.75))
    scores = score(pl.concat(frames), world.targets(), world.catalogue, against=NAIVE)
    stored = scores.filter(recipe="few", commodity="*", horizon="*", metric="skill_vs_prior")
    (contest,) = (
        own
        for own in json.loads(look_at(world, frames, "few")["few"].statistics)["contests"]
        if own["opponent"] == "prior"
    )
    assert stored["value"].item() == pytest.approx(contest["skill"], rel=1e-12)


def test_calibrated_variants_stand_apart_as_their_recipes_do(world):
    frame = speak(world, THREE)[-1]
    both = pl.concat([frame, frame.with_columns(recipe=pl.lit("few+conformal"))])
    assert find_apart(both) == {"few": 3, "few+conformal": 3}
