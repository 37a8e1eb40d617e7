"""Targets are the returns that followed, from the instant both prices were public."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.features import build_targets
from cbi_pipeline.features.feature_sets import CORE_1
from cbi_pipeline.features.training_panel import select_public_targets
from cbi_pipeline.market import latest_prices, next_sessions
from data_contracts.features import TARGET
from tests.features.detector import END, Record
from tests.features.records import CATALOGUE, as_observations, prices, rows_of
from tests.features.worlds import WTI, world

DAY = timedelta(days=1)
LATER = datetime(2021, 1, 1, tzinfo=UTC)


def expected(record: Record, as_of: datetime) -> dict:
    """Every target from nothing but the prices public at ``as_of``."""
    found = {}
    origins = set(record.rows.select("commodity", "session").iter_rows())
    for commodity in CATALOGUE.commodities:
        known = latest_prices(record.prices, as_of).filter(commodity=commodity.id)
        price = dict(known.select("session", "price").iter_rows())
        for day in price:
            for steps in commodity.steps:
                named = next_sessions(commodity.calendar, day, steps)[-1]
                week = [named + n * DAY for n in range(8) if named + n * DAY in price]
                if week and (commodity.id, day) in origins:
                    pair = np.array([price[week[0]], price[day]])
                    value = np.subtract(*np.log(pair)) if (pair > 0).all() else None
                    found[commodity.id, day, steps] = (week[0], value, price[week[0]])
    return found


def stored(record: Record, as_of: datetime) -> dict:
    """The newest public version of every target; those withdrawn are left out."""
    newest = (
        record.targets.filter(pl.col("available_at") <= as_of)
        .sort("version")
        .group_by("commodity", "session", "horizon", maintain_order=True)
        .last()
        .filter(pl.col("price").is_not_null())
    )
    return {
        (t["commodity"], t["session"], t["horizon"]): (
            t["target_session"],
            t["value"],
            t["price"],
        )
        for t in newest.iter_rows(named=True)
    }


@given(seed=st.integers(0, 10_000), pick=st.floats(0, 1))
@settings(max_examples=8, deadline=None)
def test_targets_of_a_revised_record_are_right_at_every_instant_something_changed(seed, pick):
    record = Record(world(seed, weeks=40, revisions=40))
    instants = record.prices["available_at"].unique().sort().to_list()
    change = instants[int(pick * (len(instants) - 1))]
    for as_of in (change - timedelta(microseconds=1), change, END):
        assert stored(record, as_of) == expected(record, as_of)


@pytest.fixture(scope="module")
def spring_2020() -> Record:
    """WTI around the day it closed below zero, each price public the day after."""
    weekdays = [date(2020, 4, 1) + n * DAY for n in range(60)]
    sessions = [day for day in weekdays if day.weekday() < 5][:30]
    value = [20.0 + n for n in range(30)]
    value[sessions.index(date(2020, 4, 20))] = -36.98
    frame = pl.DataFrame(
        {
            "series_id": WTI,
            "period": sessions,
            "available_at": [datetime(d.year, d.month, d.day, tzinfo=UTC) + DAY for d in sessions],
            "available_basis": "stamp",
            "value": value,
            "status": "value",
        },
        schema_overrides={"available_at": pl.Datetime("us", "UTC")},
    )
    return Record(as_observations(frame), LATER)


def test_a_price_below_zero_has_a_target_price_and_no_log_return(spring_2020):
    target = spring_2020.targets.filter(target_session=date(2020, 4, 20), horizon=5)
    assert target.select("value", "price").row(0) == (None, -36.98)
    origin = spring_2020.targets.filter(session=date(2020, 4, 20), horizon=5)
    assert origin["value"].to_list() == [None]
    assert select_public_targets(target, LATER).is_empty()


def test_a_price_below_zero_leaves_no_wrong_number_in_the_features(spring_2020):
    rows = spring_2020.rows.filter(session=date(2020, 4, 20))
    assert (
        rows.select(pl.col(CORE_1.features).drop_nulls().is_finite().all()).row(0) == (True,) * 48
    )
    assert rows["return_1"].to_list() == [None]
    assert rows["variance_long"].is_finite().all()


def test_targets_fit_their_contract_and_count_sessions_of_the_calendar(spring_2020):
    targets = TARGET.validate(spring_2020.targets)
    first = targets.filter(session=date(2020, 4, 1))
    assert first.select("horizon", "target_session").rows() == [
        (5, date(2020, 4, 8)),
        (21, date(2020, 5, 1)),
    ]


def test_targets_are_added_as_they_become_public_and_never_twice(spring_2020):
    arguments = (spring_2020.prices, spring_2020.rows, CATALOGUE)
    early = build_targets(*arguments, datetime(2020, 4, 20, tzinfo=UTC))
    later = build_targets(*arguments, LATER, existing=early)
    key = ["session", "horizon", "version"]
    assert pl.concat([early, later]).sort(key).equals(build_targets(*arguments, LATER).sort(key))
    assert 0 < len(early) < len(early) + len(later)


def test_no_price_and_no_row_give_no_target():
    nothing = world(1, weeks=3).clear()
    rows = rows_of(prices(nothing), nothing, END)
    assert build_targets(prices(nothing), rows, CATALOGUE, END).is_empty()
