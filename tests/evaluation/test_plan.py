from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from cbi_pipeline.evaluation import evaluation_id, plan
from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.evaluation.plan import refit_instants
from cbi_pipeline.forecasting.models.climatology import Climatology, ClimatologyRecipe
from tests.evaluation import panels


@pytest.fixture(scope="module")
def panel():
    return panels.panel()


def made(panel, **options):
    return plan(panel, panels.catalogue(**options), panels.rows(panel))


def test_each_commodity_gets_one_origin_a_week_over_the_end_of_its_own_record(panel):
    origins = made(panel).origins
    for name in panels.STEPS:
        own = origins.filter(pl.col("commodity") == name)
        assert own.height == 100
        assert own["decision_at"].dt.truncate("1w").is_unique().all()
        span = own["decision_at"].max() - own["decision_at"].min()
        assert span == timedelta(weeks=99)


def test_origins_are_the_sessions_known_at_the_first_decision_of_a_week(panel):
    origins = made(panel).origins.filter(pl.col("commodity") == "daily")
    assert set(origins["session"].dt.weekday()) == {1}


def test_of_several_sessions_published_at_once_the_newest_is_the_origin(panel):
    import dataclasses

    import torch

    # All five sessions of a week become known on its last evening.
    week = (panel.decision_at_R - panels.FIRST_DAY * panels.DAY_US - 1) // (7 * panels.DAY_US)
    late = (panels.FIRST_DAY + 7 * week + 5) * panels.DAY_US
    batch = dataclasses.replace(panel, decision_at_R=late.to(torch.int64))
    origins = made(batch).origins.filter(pl.col("commodity") == "daily")
    assert set(origins["session"].dt.weekday()) == {5}


def test_origins_with_unknown_targets_are_planned_too(panel):
    rows = made(panel).origins["row"].to_numpy()
    assert not panel.target_mask_RH.numpy()[rows].all()


def test_fewer_origins_are_spread_over_the_whole_stretch(panel):
    origins = made(panel, origins=8).origins.filter(pl.col("commodity") == "weekly")
    assert origins.height == 8
    assert origins["session"].max() == made(panel).origins["session"].max()
    assert np.ptp(np.diff(origins["row"].to_numpy())) == 0
    assert np.diff(origins["row"].to_numpy())[0] == 13


def test_rows_without_enough_history_are_no_origins():
    short = panels.panel(weeks=80, warm_up=60)
    rows = made(short).origins["row"].to_numpy()
    assert short.ready_R.numpy()[rows].all()


def test_every_origin_carries_its_price(panel):
    origins = made(panel).origins
    assert (origins["price"] == origins["row"] + 1.0).all()


def test_an_origin_without_a_price_is_named(panel):
    with pytest.raises(ValueError, match="no price for the origin"):
        plan(panel, panels.catalogue(), panels.rows(panel).head(100))


def test_refits_start_at_the_calendar_quarter_of_the_first_origin():
    first, last = datetime(2018, 5, 17, tzinfo=UTC), datetime(2019, 1, 1, tzinfo=UTC)
    assert refit_instants(first, last, "quarterly") == tuple(
        datetime(year, month, 1, tzinfo=UTC)
        for year, month in ((2018, 4), (2018, 7), (2018, 10), (2019, 1))
    )
    assert refit_instants(first, last, "yearly") == (
        datetime(2018, 1, 1, tzinfo=UTC),
        datetime(2019, 1, 1, tzinfo=UTC),
    )


def test_the_name_of_an_evaluation_changes_with_all_that_decides_it(panel):
    as_of, spec = datetime(2020, 1, 1, tzinfo=UTC), panel.spec
    both = [Climatology(), Ewma()]
    median = Climatology(ClimatologyRecipe(levels=(0.5,)))
    base = evaluation_id("s", as_of, both, made(panel), spec)
    assert base == evaluation_id("s", as_of, both[::-1], made(panel), spec)
    longer = replace(spec, steps=tuple((one[0] + 1, *one[1:]) for one in spec.steps))
    others = {
        evaluation_id("t", as_of, both, made(panel), spec),
        evaluation_id("s", as_of + timedelta(days=1), both, made(panel), spec),
        evaluation_id("s", as_of, [Climatology()], made(panel), spec),
        evaluation_id("s", as_of, [median, Ewma()], made(panel), spec),
        evaluation_id("s", as_of, both, made(panel, origins=99), spec),
        evaluation_id("s", as_of, both, made(panel, refits="yearly"), spec),
        evaluation_id("s", as_of, both, made(panel), longer),
    }
    assert len(others | {base}) == 8
