"""How outcomes fall over the tenths of the distributions that were stated."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from cbi_pipeline.evaluation import losses, score
from cbi_pipeline.evaluation.groups import group
from cbi_pipeline.evaluation.pit import examine_tenths, mark_tenths
from tests.evaluation import worlds


def chance(world, scale) -> float:
    table = losses(world.speak("a", scale), world.targets(), world.catalogue)
    figures = {name: value for name, value, *_ in examine_tenths(group(table), "a")}
    return figures["p_pit"]


def test_each_outcome_falls_into_one_tenth():
    rng = np.random.default_rng(0)
    deciles = np.sort(rng.standard_normal((200, 9)), axis=1)
    y = np.concatenate([rng.standard_normal(198), [-9.0, 9.0]])
    marks = mark_tenths(deciles, y)
    for row, outcome in enumerate(y):
        below = sum(outcome >= edge for edge in deciles[row])
        assert [marks[f"pit_{n}"][row] for n in range(1, 11)] == [n == below for n in range(10)]


@pytest.mark.slow
@pytest.mark.parametrize("steps", [{"1w": 5}, {"1m": 20}, {"1q": 65}])
def test_even_ones_are_called_uneven_in_one_record_of_twenty_whatever_the_overlap(steps):
    rng = np.random.default_rng(1)
    worlds_of = (worlds.world(rng, weeks=300, steps=steps) for _ in range(60))
    wrong = sum(chance(world, world.scale) <= 0.05 for world in worlds_of)
    assert wrong <= binom.ppf(0.999, 60, 0.05)


def test_forecasts_that_are_too_narrow_or_too_wide_are_called_uneven():
    world = worlds.world(np.random.default_rng(2), weeks=300, steps={"1w": 5})
    assert chance(world, world.scale * 0.7) < 0.01
    assert chance(world, world.scale * 1.5) < 0.01


def test_scores_hold_the_shares_of_every_group_and_the_chance_where_there_are_weeks_enough():
    world = worlds.world(np.random.default_rng(3), weeks=60, steps={"1w": 5, "1q": 65})
    rows = score(world.speak("a", world.scale), world.targets(), world.catalogue)
    shares = rows.filter(pl.col("metric").str.starts_with("pit_"))
    sums = shares.group_by("commodity", "horizon").agg(pl.col("value").sum(), pl.len())
    assert sums["value"].to_numpy() == pytest.approx(np.ones(len(sums)))
    assert (sums["len"] == 10).all()
    tested = set(rows.filter(metric="p_pit")["horizon"])
    assert "1w" in tested
