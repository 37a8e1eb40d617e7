"""Calendars name the days that should have a price."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.market import calendar, next_sessions, sessions
from tests.features.records import observations

NAMES = ["eia_spot_daily", "london_spot_daily", "eia_retail_weekly"]


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
    following = sessions(name, after + timedelta(days=1), after + timedelta(days=8 * count + 10))
    assert next_sessions(name, after, count) == following[:count]


def test_an_unknown_calendar_is_refused_with_the_ones_there_are():
    with pytest.raises(ValueError, match="eia_spot_daily, london_spot_daily, eia_retail_weekly"):
        calendar("lunar")
