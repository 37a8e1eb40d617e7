"""Prices keep every version and are read as they were known."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.market import build_sessions, latest_prices
from data_contracts.market import SESSION
from tests.features.records import CATALOGUE, as_observations
from tests.features.worlds import WTI, world

COMMODITY = CATALOGUE.commodity("wti")
START = datetime(2020, 4, 21, tzinfo=UTC)


def told(*versions: tuple[int, float | None, int]) -> pl.DataFrame:
    """Price rows of (day of April 2020, value or None, hours until public)."""
    frame = pl.DataFrame(
        {
            "series_id": WTI,
            "period": [date(2020, 4, day) for day, _, _ in versions],
            "available_at": [START + timedelta(hours=hours) for _, _, hours in versions],
            "available_basis": "stamp",
            "value": [value for _, value, _ in versions],
            "status": ["missing" if value is None else "value" for _, value, _ in versions],
        },
        schema_overrides={"available_at": pl.Datetime("us", "UTC"), "value": pl.Float64},
    )
    return build_sessions(as_observations(frame), COMMODITY)


def test_a_negative_price_is_a_price():
    prices = told((17, 18.31, 0), (20, -36.98, 1), (21, 8.91, 2))
    assert prices["price"].to_list() == [18.31, -36.98, 8.91]
    assert SESSION.validate(prices).height == 3


def test_a_spot_session_has_a_price_and_nothing_else():
    (session,) = told((17, 18.31, 0)).to_dicts()
    assert {name for name, value in session.items() if value is None} == {
        *("open", "high", "low", "volume", "open_interest", "realised_variance", "roll_gap")
    }
    assert (session["held_instrument"], session["roll"]) == (WTI, False)


def test_a_session_begins_with_its_first_value():
    prices = told((20, None, 0), (20, -36.98, 5), (21, None, 1))
    assert prices.select("session", "version", "price").rows() == [(date(2020, 4, 20), 1, -36.98)]


def test_a_correction_and_a_withdrawal_are_further_versions():
    prices = told((20, -37.63, 0), (20, -36.98, 5), (20, None, 9))
    assert prices.select("version", "price").rows() == [(1, -37.63), (2, -36.98), (3, None)]


def test_a_correction_counts_from_the_instant_it_is_public():
    prices = told((20, -37.63, 0), (20, -36.98, 5))
    change = START + timedelta(hours=5)
    before = latest_prices(prices, change - timedelta(microseconds=1))
    assert before["price"].to_list() == [-37.63]
    assert latest_prices(prices, change)["price"].to_list() == [-36.98]


def test_a_withdrawn_price_is_gone_and_may_come_back():
    prices = told((20, -37.63, 0), (20, None, 5), (20, -36.98, 9))
    known = [latest_prices(prices, START + timedelta(hours=h))["price"].to_list() for h in (6, 9)]
    assert known == [[], [-36.98]]


@given(seed=st.integers(0, 1000), days=st.integers(0, 900))
@settings(max_examples=15, deadline=None)
def test_the_latest_prices_are_those_of_a_plain_replay(seed, days):
    observed = world(seed, weeks=30).filter(pl.col("series_id") == WTI)
    as_of = datetime(2014, 1, 6, tzinfo=UTC) + timedelta(days=days / 3)
    replayed = {}
    for row in observed.sort("version").iter_rows(named=True):
        if row["available_at"] <= as_of:
            replayed[row["period"]] = row["value"] if row["status"] == "value" else None
    known = latest_prices(build_sessions(observed, COMMODITY), as_of)
    expected = {day: price for day, price in replayed.items() if price is not None}
    assert dict(known.select("session", "price").iter_rows()) == expected
