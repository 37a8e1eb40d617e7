"""A price at or below zero is a valid row of the record, and no origin of a forecast."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from cbi_pipeline.features import build_targets, panel
from cbi_pipeline.features.feature_sets import CORE_1
from cbi_pipeline.market import build_sessions
from tests.features.records import CATALOGUE, as_observations, rows_of

ONE = CATALOGUE.model_copy(update={"commodities": (CATALOGUE.commodity("wti"),)})
COMMODITY = ONE.commodities[0]
SESSIONS = [
    day
    for day in (date(2018, 6, 1) + timedelta(days=back) for back in range(800))
    if day.weekday() < 5
]
AS_OF = datetime(2020, 8, 30, 4, tzinfo=UTC)


def record(**changed: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Prices and rows of two years of sessions, the given numbers of them at another price."""
    levels = 50 * np.exp(np.random.default_rng(3).normal(0, 0.02, len(SESSIONS)).cumsum())
    for place, price in changed.items():
        levels[int(place.removeprefix("at_"))] = price
    public = [datetime(d.year, d.month, d.day, tzinfo=UTC) + timedelta(days=1) for d in SESSIONS]
    frame = pl.DataFrame(
        {
            "series_id": COMMODITY.price_series,
            "period": SESSIONS,
            "available_at": public,
            "available_basis": "stamp",
            "value": levels,
            "status": "value",
        },
        schema_overrides={"available_at": pl.Datetime("us", "UTC")},
    )
    prices = build_sessions(as_observations(frame), COMMODITY)
    return prices, rows_of(prices, as_observations(frame), AS_OF, catalogue=ONE)


def built(prices: pl.DataFrame, rows: pl.DataFrame):
    return panel(rows, build_targets(prices, rows, ONE, AS_OF), prices, ONE, CORE_1, AS_OF)


@pytest.mark.parametrize("price", [-36.98, 0.0])
def test_it_can_be_no_origin_and_the_sessions_around_it_can(price):
    prices, rows = record(at_400=price)
    assert rows["price"][400] == price
    ready = built(prices, rows).ready_R.tolist()
    assert ready[399:403] == [True, False, True, True]


@pytest.mark.parametrize("price", [-36.98, 0.0])
def test_no_return_leads_into_it_or_out_of_it_and_every_other_stays(price):
    prices, rows = record(at_400=price)
    targets = build_targets(prices, rows, ONE, AS_OF).filter(horizon=5)
    absent = targets.filter(pl.col("value").is_null())["session"].to_list()
    assert absent == [SESSIONS[395], SESSIONS[400]]
    before = build_targets(*record(), ONE, AS_OF).filter(horizon=5)
    kept = ~pl.col("session").is_in(absent)
    assert targets.filter(kept)["value"].to_list() == before.filter(kept)["value"].to_list()


def test_a_record_that_begins_below_zero_counts_its_returns_from_the_first_two_positive_prices():
    prices, rows = record(at_0=-1.0, at_1=0.0)
    plain = built(*record()).ready_R.tolist()
    ready = built(prices, rows).ready_R.tolist()
    assert plain.index(True) == 260
    assert ready.index(True) == 262


def test_a_variance_too_small_to_hold_makes_no_origin_and_the_panel_stands():
    prices, rows = record()
    flat = rows.with_columns(variance_ewma=pl.lit(1e-60))
    assert not built(prices, flat).ready_R.any()
