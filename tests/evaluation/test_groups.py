from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.evaluation import losses
from cbi_pipeline.evaluation.groups import group, groups, places
from tests.evaluation import worlds


def frame(seed=0, *, commodities=2, weeks=40, drop=0):
    rng = np.random.default_rng(seed)
    world = worlds.world(rng, commodities=commodities, weeks=weeks)
    spoken = pl.concat(
        [
            world.speak("a", worlds.noisy(rng, world.scale)),
            world.speak("b", worlds.noisy(rng, world.scale)),
        ]
    )
    # The second commodity's record ends earlier, so the groups are ragged.
    end = worlds.session(weeks - drop)
    targets = world.targets().filter((pl.col("commodity") == "c0") | (pl.col("session") < end))
    return losses(spoken, targets, world.catalogue)


def test_every_cell_every_margin_and_everything_come_once():
    found = [(one.commodity, one.horizon) for one in groups(frame())]
    assert found == [
        *[(c, h) for c in ("c0", "c1") for h in ("1w", "1m")],
        *[(c, "*") for c in ("c0", "c1")],
        *[("*", h) for h in ("1w", "1m")],
        ("*", "*"),
    ]


def test_weekly_sums_add_up_to_the_column():
    rows = frame(drop=7)
    everything = group(rows)
    total = rows.filter(pl.col("recipe") == "a")["crps"].sum()
    assert everything.sums("a", "crps").sum() == pytest.approx(total)
    assert everything.sums("a", None).sum() == everything.count


@given(st.integers(0, 1000), st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_the_mean_difference_is_the_mean_of_the_cells_skills_by_their_precision(seed, drop):
    rows = frame(seed, drop=drop)
    crps = rows.group_by("commodity", "horizon", "recipe").agg(pl.col("crps").sum())
    wide = crps.pivot(on="recipe", values="crps").sort("commodity", "horizon")
    expected = (group(rows).precision * (1 - wide["a"] / wide["b"]).to_numpy()).sum()
    assert group(rows).difference("a", "b").mean() == pytest.approx(expected, abs=1e-12)


def test_a_cell_weighs_by_its_outcomes_that_share_no_news():
    weights = group(frame(commodities=2, weeks=40, drop=10)).precision
    # A month's outcome is public in the fourth week after, a week's in the first.
    independent = np.array([40 / 4, 40 / 1, 26 / 4, 29 / 1])
    assert weights == pytest.approx(independent / independent.sum(), rel=0.35)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[1] > 3 * weights[0]


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_a_memory_is_as_long_as_one_recipes_bands_stay_wider(memory):
    rng = np.random.default_rng(1)
    world = worlds.world(rng, commodities=1, weeks=2000, steps={"1w": 5})
    apart = np.exp(worlds._ar1(rng, 1, 2000, 0.2, memory))[..., None]
    spoken = pl.concat([world.speak("a", world.scale * apart), world.speak("b", world.scale)])
    rows = losses(spoken, world.targets(), world.catalogue)
    assert group(rows).memory("a", "b") == pytest.approx((1 + memory) / (1 - memory), rel=0.3)
    assert group(rows).memory("a", "a") == 0


def test_a_market_ten_times_as_volatile_weighs_the_same():
    rows = frame()
    louder = rows.with_columns(
        crps=pl.when(pl.col("commodity") == "c1").then(pl.col("crps") * 10).otherwise("crps")
    )
    assert group(louder).difference("a", "b") == pytest.approx(group(rows).difference("a", "b"))


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 40)), min_size=3, max_size=25))
@settings(max_examples=40, deadline=None)
def test_the_overlap_counts_weeks_forecast_before_an_earlier_target_was_known(steps):
    base = frame(commodities=1, weeks=len(steps)).filter(pl.col("horizon") == "1w")
    gaps, delays = zip(*steps, strict=True)
    as_of = [worlds.midnight(worlds.START) + timedelta(weeks=int(w)) for w in np.cumsum(gaps)]
    known = [made + timedelta(days=delay) for made, delay in zip(as_of, delays, strict=True)]
    rows = pl.concat(
        [
            part.with_columns(
                as_of=pl.Series(as_of, dtype=base["as_of"].dtype),
                known_at=pl.Series(known, dtype=base["as_of"].dtype),
            ).with_columns(week=pl.col("as_of").dt.truncate("1w").dt.date())
            for part in base.partition_by("recipe")
        ]
    )
    expected = max(
        sum(made < instant for made in as_of[i + 1 :]) for i, instant in enumerate(known)
    )
    assert group(rows).lags == expected


def test_groups_go_from_the_shortest_horizon_to_the_longest():
    steps = {"1w": 5, "1m": 20, "3m": 60, "12m": 240}
    world = worlds.world(np.random.default_rng(0), commodities=1, weeks=60, steps=steps)
    table = losses(world.speak("a", world.scale), world.targets(), world.catalogue)
    assert [horizon for _, horizon in places(table)][:4] == list(steps)
