"""The one-session return of a row is of prices as known when the row was decided on."""

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.features.returns import with_returns
from cbi_pipeline.market import latest_prices
from data_contracts.market import SESSION

DAY = timedelta(days=1)
START = datetime(2015, 1, 1, tzinfo=UTC)

#: Days until a session is first public, then corrections (None withdraws) and days until each.
PRICES = st.floats(-5.0, 90.0)
CORRECTIONS = st.lists(st.tuples(st.one_of(st.none(), PRICES), st.integers(1, 40)), max_size=2)
SESSIONS = st.lists(
    st.tuples(PRICES, st.one_of(st.just(1), st.integers(1, 40)), CORRECTIONS),
    min_size=4,
    max_size=20,
)


def versions(sessions) -> pl.DataFrame:
    rows = []
    for number, (price, delay, corrections) in enumerate(sessions):
        day, at = (START + number * DAY).date(), START + (number + delay) * DAY
        rows.append(version_of(day, 1, price, at))
        for version, (corrected, later) in enumerate(corrections, start=2):
            at += later * DAY
            rows.append(version_of(day, version, corrected, at))
    return pl.DataFrame(rows, schema=dict(SESSION.dtypes))


def version_of(day, version: int, price: float | None, at: datetime, **parts: float) -> dict:
    known = {"session": day, "version": version, "price": price, "available_at": at}
    return known | {
        "commodity": "wti",
        "held_instrument": "spot",
        "roll": False,
        "available_basis": "stamp",
        **parts,
    }


def row(session, decision_at) -> pl.DataFrame:
    schema = {"commodity": pl.String, "session": pl.Date, "decision_at": pl.Datetime("us", "UTC")}
    return pl.DataFrame([("wti", session, decision_at)], schema=schema, orient="row")


def expected(prices: pl.DataFrame, session, at: datetime) -> float | None:
    """From a table of the past in which everything that became public later is thrown away."""
    past = latest_prices(prices.filter(pl.col("available_at") <= at), at).sort("session")
    newest = past.filter(pl.col("session") <= session).tail(2)
    if newest.height < 2 or newest["session"][-1] != session or (newest["price"] <= 0).any():
        return None
    return math.log(newest["price"][1]) - math.log(newest["price"][0])


@given(SESSIONS, st.lists(st.tuples(st.integers(0, 19), st.integers(1, 90)), min_size=1))
@settings(max_examples=80)
def test_each_is_that_of_the_prices_public_at_the_rows_instant(sessions, asked):
    prices = versions(sessions)
    for number, days in asked:
        session, at = (START + number * DAY).date(), START + days * DAY
        (found,) = with_returns(row(session, at), prices)["log_return"]
        wanted = expected(prices, session, at)
        assert (found is None) == (wanted is None)
        assert found is None or found == pytest.approx(wanted, rel=1e-12, abs=1e-15)


def test_a_price_at_or_below_zero_has_no_return_into_it_and_none_out_of_it():
    prices = versions([(price, 1, []) for price in (20.0, -36.98, 10.0, 11.0)])
    rows = pl.concat(row((START + n * DAY).date(), START + 9 * DAY) for n in range(4))
    assert with_returns(rows, prices)["log_return"].to_list() == [
        None,
        None,
        None,
        pytest.approx(math.log(1.1)),
    ]


def test_a_correction_before_the_next_session_is_decided_on_is_read_and_one_after_it_is_not():
    early = versions([(20.0, 1, [(22.0, 1)]), (33.0, 1, [])])
    late = versions([(20.0, 1, [(22.0, 9)]), (33.0, 1, [])])
    second = row((START + DAY).date(), START + 2 * DAY)
    for prices, before in ((early, 22.0), (late, 20.0)):
        (found,) = with_returns(second, prices)["log_return"]
        assert found == pytest.approx(math.log(33.0 / before))


def test_a_realised_variance_is_the_one_public_at_the_rows_instant():
    first, second = START.date(), (START + DAY).date()
    prices = pl.DataFrame(
        [
            version_of(first, 1, 20.0, START + DAY, realised_variance=1e-4),
            version_of(first, 2, 20.0, START + 5 * DAY, realised_variance=3e-4),
            version_of(second, 1, 21.0, START + 2 * DAY),
        ],
        schema=dict(SESSION.dtypes),
    )
    rows = pl.concat([row(first, START + DAY), row(second, START + 2 * DAY)])
    later = row(first, START + 6 * DAY)
    assert with_returns(rows, prices)["realised_variance"].to_list() == [1e-4, None]
    assert with_returns(later, prices)["realised_variance"].to_list() == [3e-4]


def test_rows_without_any_price_have_none():
    rows = row(START.date(), START + DAY)
    assert with_returns(rows, versions([])[:0])["log_return"].to_list() == [None]
    assert with_returns(rows[:0], versions([])[:0]).schema["log_return"] == pl.Float64
