"""Calendars name the days that should have a price."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.market import (
    calendar,
    has_calendar,
    list_calendars,
    name_target_sessions,
    next_sessions,
    sessions,
)
from cbi_pipeline.market.calendars import name_days, name_weekly
from tests.features.records import observations

NAMES = [
    *("eia_spot_daily", "london_spot_daily", "eia_retail_weekly", "monthly"),
    *("weekly_fri", "days_mon_wed_sat", "LSE", "XSAU", "CMEGlobex_NG"),
]


def recorded(series: str) -> set[date]:
    frame = observations()
    return set(
        frame.filter(series_id=series, status="value").get_column("period").unique().to_list()
    )


@pytest.mark.slow
def test_the_spot_calendar_agrees_with_the_record_as_its_docstring_says():
    have = recorded("EIA.RWTC")
    due = set(sessions("eia_spot_daily", min(have), max(have)))
    weekdays = [
        day
        for offset in range((max(have) - min(have)).days + 1)
        if (day := min(have) + timedelta(days=offset)).weekday() < 5
    ]
    assert (len(due - have), len(have - due)) == (30, 21)
    assert round(1 - len(due ^ have) / len(weekdays), 4) == 0.9941


def test_the_retail_calendar_agrees_with_the_record_on_every_monday():
    have = recorded("EIA.EMM_EPMMU_PTE_SMN_DPG")
    assert have == set(sessions("eia_retail_weekly", min(have), max(have)))


@pytest.mark.parametrize(
    "holiday",
    [date(2026, 12, 25), date(2027, 1, 1), date(2026, 11, 26), date(2026, 7, 3), date(2027, 3, 26)],
)
def test_spot_is_not_expected_on_future_holidays(holiday):
    assert sessions("eia_spot_daily", holiday, holiday) == []


@pytest.mark.parametrize(
    ("day", "london", "new_york"),
    [
        (date(2026, 8, 31), False, True),  # the summer bank holiday
        (date(2026, 11, 26), True, False),  # Thanksgiving
        (date(2027, 3, 29), False, True),  # Easter Monday
        (date(2026, 12, 28), False, True),  # Boxing Day, which falls on a Saturday
        (date(2026, 12, 25), False, False),
        (date(2026, 8, 18), True, True),
    ],
)
def test_each_city_keeps_its_own_holidays(day, london, new_york):
    assert (sessions("london_spot_daily", day, day) == [day]) is london
    assert (sessions("eia_spot_daily", day, day) == [day]) is new_york


@settings(deadline=None)
@given(
    name=st.sampled_from(NAMES),
    after=st.dates(date(1990, 1, 1), date(2030, 1, 1)),
    count=st.integers(1, 70),
)
def test_the_next_sessions_are_the_first_of_those_that_follow(name, after, count):
    ends = after + timedelta(days=calendar(name).apart * count + 12)
    following = sessions(name, after + timedelta(days=1), ends)
    assert next_sessions(name, after, count) == following[:count]
    origin = np.array([(after - date(1970, 1, 1)).days])
    named = name_target_sessions(name, origin, count)
    assert date(1970, 1, 1) + timedelta(days=int(named[0])) == following[count - 1]


@pytest.mark.parametrize("name", ["lunar", "weekly_", "weekly_mo", "days_", "days_wed_mon", "lse"])
def test_an_unknown_calendar_is_refused_with_the_ones_there_are(name):
    assert not has_calendar(name)
    with pytest.raises(ValueError, match=r"eia_spot_daily, .*, weekly_mon to weekly_sun, .* LSE"):
        calendar(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_calendars())
def test_every_calendar_names_sessions_apart_as_it_says(name):
    days = sessions(name, date(2024, 1, 1), date(2030, 12, 31))
    assert max(after - day for day, after in pairwise(days)) <= timedelta(calendar(name).apart)
    assert len(days) >= 7 * 12
    assert calendar(name).ready_after >= 60


def test_no_market_shut_for_once_is_named_ahead():
    # 2001-09-11 to 2001-09-14, and a day of mourning.
    shut = [date(2001, 9, 12), date(2018, 12, 5)]
    assert [day for day in shut if sessions("NYSE", day, day)] == shut


def test_a_market_and_the_calendar_made_of_it_agree():
    since, until = date(2000, 1, 1), date(2030, 12, 31)
    assert sessions("LSE", since, until) == sessions("london_spot_daily", since, until)


def test_names_of_weekdays_are_read_back():
    assert calendar(name_weekly(4)).is_session(date(2026, 8, 21))
    assert sessions(name_days([5, 0]), date(2026, 8, 17), date(2026, 8, 23)) == [
        date(2026, 8, 17),
        date(2026, 8, 22),
    ]
