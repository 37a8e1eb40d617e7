"""Holes in a price record are counted by year and block when there are too many."""

from datetime import date

import polars as pl
import pytest

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.market import coverage_rule, sessions
from cbi_pipeline.market.coverage import coverage
from tests.features.records import CATALOGUE, observations, prices


@pytest.fixture(scope="module")
def shipped() -> pl.DataFrame:
    return prices(observations())


@pytest.mark.parametrize("commodity", CATALOGUE.commodities, ids=lambda c: c.id)
def test_the_shipped_record_is_complete_enough(shipped, commodity):
    outcome = coverage_rule(shipped, commodity)
    assert outcome.passed, outcome.detail


def test_every_session_is_counted_once(shipped):
    years = coverage(shipped, CATALOGUE.commodity("wti"))
    assert years.get_column("present").sum() + years.get_column("unexpected").sum() == 8321
    assert (years["expected"] == years["present"] + years["missing"]).all()
    assert years["year"].to_list() == list(range(1986, 2020))


def test_a_month_that_vanished_blocks_and_is_named(shipped):
    gone = (pl.col("session").dt.year() == 2011) & (pl.col("session").dt.month() == 3)
    outcome = coverage_rule(shipped.filter(~gone), CATALOGUE.commodity("wti"))
    assert not outcome.passed
    assert "2011" in outcome.detail


def test_a_whole_missing_year_is_seen(shipped):
    years = coverage(
        shipped.filter(pl.col("session").dt.year() != 2011), CATALOGUE.commodity("wti")
    )
    assert years.filter(year=2011).select("present", "missing_share").row(0) == (0, 1.0)


def test_a_record_without_prices_does_not_pass(shipped):
    assert not coverage_rule(shipped.clear(), CATALOGUE.commodity("wti")).passed


HELD = date(2010, 1, 1), date(2020, 12, 31)
WTI = CATALOGUE.commodity("wti")


def held(calendar: str, *, without=(), weekday: int | None = None) -> pl.DataFrame:
    days = [day for day in sessions(calendar, *HELD) if day not in without]
    kept = [day for day in days if weekday in (None, day.weekday())]
    return pl.DataFrame({"commodity": ["wti"] * len(kept), "session": kept})


def test_years_that_nothing_reads_are_not_judged():
    hole = sessions("eia_spot_daily", date(2012, 3, 1), date(2012, 5, 31))
    prices = held("eia_spot_daily", without=hole)
    assert not coverage_rule(prices, WTI).passed
    assert not coverage_rule(prices, WTI, years=9).passed
    assert coverage_rule(prices, WTI, years=8).passed


def test_two_weeks_in_which_the_market_was_shut_refuse_no_history():
    # As Henry Hub was in 2005, by two hurricanes.
    shut = sessions("eia_spot_daily", date(2015, 9, 22), date(2015, 10, 6))
    assert coverage_rule(held("eia_spot_daily", without=shut), WTI).passed


@pytest.mark.parametrize("name", ["eia_spot_daily", "london_spot_daily"])
def test_prices_on_another_rhythm_are_told_as_a_calendar_that_does_not_fit(name):
    daily = WTI.model_copy(update={"calendar": name})
    weekly = WTI.model_copy(update={"calendar": "eia_retail_weekly"})
    for record, asked in ((held(name, weekday=2), daily), (held(name), weekly)):
        outcome = coverage_rule(record, asked)
        assert not outcome.passed
        assert f"the calendar {asked.calendar} does not fit" in outcome.detail


@pytest.mark.parametrize(
    ("calendar", "absent", "passes"),
    [
        ("monthly", 1, True),
        ("monthly", 2, False),
        ("weekly_fri", 5, True),
        ("weekly_fri", 6, False),
        ("days_mon_tue_wed_thu_fri", 20, True),
        ("days_mon_tue_wed_thu_fri", 30, False),
    ],
)
def test_what_may_be_absent_of_a_year_depends_on_what_the_calendar_knows(calendar, absent, passes):
    commodity = WTI.model_copy(update={"calendar": calendar})
    hole = sessions(calendar, date(2015, 2, 1), date(2015, 12, 31))[:absent]
    assert coverage_rule(held(calendar, without=hole), commodity).passed is passes


def test_every_price_of_the_live_profile_has_the_calendar_of_its_own_market():
    calendars = {one.id: one.calendar for one in load_catalogue(profile="live").commodities}
    assert calendars.pop("brent") == "london_spot_daily"
    assert len(calendars) == 7
    assert set(calendars.values()) == {"eia_spot_daily"}
