"""Holes in a price record are counted by year and block when there are too many."""

import polars as pl
import pytest

from cbi_pipeline.market import coverage, coverage_rule
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
