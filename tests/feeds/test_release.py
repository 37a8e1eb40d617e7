from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.tseries.holiday import USFederalHolidayCalendar

from data_contracts.eia_storage import eia_storage_weekly
from data_contracts.release import (
    EXECUTIVE_CLOSURES,
    eia_mer,
    eia_retail_weekly,
    eia_spot_weekly,
    eia_wpsr,
    is_closed,
    us_federal_holidays,
)
from data_contracts.world_bank import pink_sheet_monthly

EASTERN = ZoneInfo("America/New_York")
DAYS = st.dates(date(1986, 1, 1), date(2060, 12, 31))
FRIDAYS = DAYS.map(lambda day: day - timedelta(days=(day.weekday() - 4) % 7))
MONDAYS = DAYS.map(lambda day: day - timedelta(days=day.weekday()))


def eastern(instant: datetime) -> datetime:
    return instant.astimezone(EASTERN)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("week", "instant"),
    [
        (date(2022, 6, 10), utc(2022, 6, 15, 14, 30)),
        # A failure of the agency's systems: it came out with the next.
        (date(2022, 6, 17), utc(2022, 6, 29, 14, 30)),
        (date(2022, 6, 24), utc(2022, 6, 29, 14, 30)),
        (date(2022, 7, 1), utc(2022, 7, 7, 14, 30)),
    ],
)
def test_a_status_report_held_back_by_an_outage_is_public_when_it_came_out(week, instant):
    assert eia_wpsr.rule(week) == instant


def test_gas_storage_was_in_time_while_the_status_report_was_not():
    assert eia_storage_weekly.rule(date(2022, 6, 17)) == utc(2022, 6, 23, 14, 30)


def test_holidays_are_those_of_the_federal_calendar():
    known = USFederalHolidayCalendar().holidays("1986-01-01", "2060-12-31")
    ours = {day for year in range(1986, 2061) for day in us_federal_holidays(year)}
    # Its Juneteenth begins in 2021 too.
    assert ours == {stamp.date() for stamp in known}


def test_reports_of_the_years_before_1986_stay_dated_by_the_third_monday_of_january():
    assert is_closed(date(1984, 1, 16))
    assert eia_wpsr.rule(date(1984, 1, 13)) == utc(1984, 1, 19, 15, 30)


def test_new_years_day_on_a_saturday_is_observed_in_the_year_before():
    assert date(2010, 12, 31) in us_federal_holidays(2010)
    assert date(2011, 1, 1) not in us_federal_holidays(2011)


def test_juneteenth_is_a_holiday_from_2021_on():
    assert not is_closed(date(2020, 6, 19))
    assert is_closed(date(2021, 6, 18))


def test_executive_closures_are_working_days_otherwise():
    for day in EXECUTIVE_CLOSURES:
        assert is_closed(day)
        assert day.weekday() < 5
        assert day not in us_federal_holidays(day.year)


@pytest.mark.parametrize(
    ("week", "day"),
    [
        ((2020, 2, 7), (2020, 2, 12)),
        ((2020, 2, 14), (2020, 2, 20)),  # Washington's Birthday on the Monday
        ((2018, 6, 29), (2018, 7, 5)),  # Independence Day on the Wednesday itself
        ((2008, 5, 23), (2008, 5, 29)),  # Memorial Day
        ((2018, 11, 30), (2018, 12, 6)),  # offices shut for a funeral
        ((2012, 12, 21), (2012, 12, 28)),  # Christmas Eve by order, Christmas
        ((2018, 12, 28), (2019, 1, 4)),  # New Year's Day on a Tuesday
        ((2019, 12, 27), (2020, 1, 3)),  # and on a Wednesday
        ((2017, 12, 22), (2017, 12, 28)),  # Christmas on a Monday is like any Monday holiday
        ((2017, 11, 17), (2017, 11, 22)),  # Thanksgiving comes after the report
    ],
)
def test_weekly_petroleum_comes_on_wednesday_or_later_when_offices_were_shut(week, day):
    assert eastern(eia_wpsr.rule(date(*week))) == datetime(*day, 10, 30, tzinfo=EASTERN)


@given(FRIDAYS)
def test_weekly_petroleum_comes_at_half_past_ten_in_winter_and_summer(week):
    instant = eastern(eia_wpsr.rule(week))
    assert instant.time() == time(10, 30)
    assert timedelta(days=5) <= instant.date() - week <= timedelta(days=11)
    assert not is_closed(instant.date())


def test_the_same_hour_is_another_instant_across_daylight_saving():
    assert eia_wpsr.rule(date(2019, 3, 1)) == utc(2019, 3, 6, 15, 30)
    assert eia_wpsr.rule(date(2019, 3, 8)) == utc(2019, 3, 13, 14, 30)
    assert eia_wpsr.rule(date(2019, 10, 25)) == utc(2019, 10, 30, 14, 30)
    assert eia_wpsr.rule(date(2019, 11, 1)) == utc(2019, 11, 6, 15, 30)


@pytest.mark.parametrize(
    ("session", "posting"),
    [
        ((2020, 5, 12), (2020, 5, 20)),  # Tuesday to Monday make one posting
        ((2020, 5, 18), (2020, 5, 20)),
        ((2020, 5, 19), (2020, 5, 28)),
        ((2023, 1, 17), (2023, 1, 19)),  # a late posting holds the Tuesday as well
        ((2023, 1, 18), (2023, 1, 25)),
        ((2024, 12, 23), (2024, 12, 27)),  # Christmas on a Wednesday
        ((2025, 12, 23), (2025, 12, 29)),  # shut Wednesday to Friday
        ((2019, 1, 3), (2019, 1, 9)),
    ],
)
def test_spot_prices_come_in_weekly_postings(session, posting):
    instant = eastern(eia_spot_weekly.rule(date(*session)))
    assert instant == datetime(*posting, 21, 30, tzinfo=EASTERN)


@given(DAYS)
def test_a_spot_price_is_never_known_within_two_days_nor_later_than_a_fortnight(session):
    wait = eastern(eia_spot_weekly.rule(session)).date() - session
    assert timedelta(days=2) <= wait <= timedelta(days=14)


@given(DAYS, DAYS)
def test_a_later_session_is_never_posted_earlier(one, other):
    first, second = sorted((one, other))
    assert eia_spot_weekly.rule(first) <= eia_spot_weekly.rule(second)


@pytest.mark.parametrize(
    ("monday", "day"),
    [
        ((2020, 2, 10), (2020, 2, 10)),
        ((2020, 1, 20), (2020, 1, 21)),  # Martin Luther King Day
        ((2018, 12, 24), (2018, 12, 26)),  # Christmas Eve by order, Christmas
        ((2007, 1, 1), (2007, 1, 3)),  # New Year's Day, a day of mourning
    ],
)
def test_retail_prices_come_on_monday_evening_or_the_next_working_day(monday, day):
    instant = eastern(eia_retail_weekly.rule(date(*monday)))
    assert instant == datetime(*day, 17, 0, tzinfo=EASTERN)


@given(MONDAYS)
def test_retail_prices_come_on_their_own_monday_unless_it_is_closed(monday):
    instant = eastern(eia_retail_weekly.rule(monday))
    assert (instant.date() == monday) == (not is_closed(monday))
    assert instant.time() == time(17, 0)


def test_an_issue_is_public_by_the_end_of_its_day():
    assert eia_mer.rule(date(2017, 6, 28)) == utc(2017, 6, 29, 3, 59)
    assert eia_mer.rule(date(2019, 1, 28)) == utc(2019, 1, 29, 4, 59)


@pytest.mark.parametrize(
    ("month", "released"),
    [(date(2025, 10, 1), date(2025, 11, 5)), (date(2025, 12, 1), date(2026, 1, 6))],
)
def test_a_monthly_mean_is_dated_no_earlier_than_its_releases_on_record(month, released):
    # Those of November 2025 and January 2026 came on the 4th and on the 6th.
    assert eastern(pink_sheet_monthly.rule(month)).date() == released
