"""Forecasts name their sessions by standing holidays, and are judged within a week after."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.market import (
    find_outcomes,
    name_target_sessions,
    next_sessions,
)
from cbi_pipeline.market.calendars import CALENDARS

EPOCH = date(1970, 1, 1)


def numbered(*days: date) -> np.ndarray:
    return np.array([(day - EPOCH).days for day in days], dtype=np.int64)


@pytest.mark.parametrize("calendar", [*CALENDARS, "weekly_fri", "days_tue_thu"])
@given(
    origins=st.lists(st.dates(date(1986, 1, 1), date(2040, 1, 1)), min_size=1, max_size=5),
    steps=st.integers(1, 260),
)
def test_the_named_session_is_the_nth_of_the_calendar_after_the_origin(calendar, origins, steps):
    one_by_one = [next_sessions(calendar, origin, steps)[-1] for origin in origins]
    named = name_target_sessions(calendar, numbered(*origins), steps)
    assert named.tolist() == numbered(*one_by_one).tolist()


def test_no_origin_names_no_session():
    assert name_target_sessions("eia_spot_daily", numbered(), 5).tolist() == []


def test_a_closure_that_nobody_could_foresee_is_still_counted():
    """Hurricane Sandy shut the exchange on 2012-10-29 and 2012-10-30."""
    named = name_target_sessions("eia_spot_daily", numbered(date(2012, 10, 26)), 1)
    assert named.tolist() == numbered(date(2012, 10, 29)).tolist()


@given(
    named=st.lists(st.integers(0, 40), max_size=8),
    priced=st.sets(st.integers(0, 60), max_size=12),
)
def test_a_forecast_is_judged_by_the_first_price_within_a_week_from_its_session(named, priced):
    days = sorted(priced)
    found = find_outcomes(np.array(named, np.int64), np.array(days, np.int64))
    for day, place in zip(named, found.tolist(), strict=True):
        within = [one for one in days if day <= one <= day + 7]
        assert (days[place] if place >= 0 else None) == (within[0] if within else None)


def test_a_price_more_than_a_week_later_is_no_outcome():
    named = numbered(date(2026, 1, 5))
    late = numbered(date(2026, 1, 5) + timedelta(days=8))
    assert find_outcomes(named, late).tolist() == [-1]
