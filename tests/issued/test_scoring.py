"""How forecasts turned out, against the first and the newest price of the target session."""

import math
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.issued import score
from cbi_pipeline.issued.chain import chain
from data_contracts.issued import SCORE
from tests.issued.spoken import LEVELS, MONDAY, prices, spoken, unchained

ORIGIN = date(2019, 3, 1)
TARGET = ORIGIN + timedelta(days=5)
LATER = datetime(2019, 4, 1, tzinfo=UTC)
PUBLISHED = datetime(2019, 3, 10, tzinfo=UTC)
REVISED = datetime(2019, 3, 20, tzinfo=UTC)


def forecast(up: float = 0.5, price: float = 50.0) -> pl.DataFrame:
    said = spoken(commodities=["wti"], horizons=[5], price=price, origin=ORIGIN)
    return chain(unchained(said.with_columns(up=pl.lit(up))))


def outcome(price, *, up=0.5, as_of=LATER):
    known = prices(("wti", TARGET, 1, price, PUBLISHED))
    return score(forecast(up), known, as_of).filter(pl.col("vintage") == "latest").to_dicts()[0]


@settings(deadline=None)
@given(price=st.floats(20, 120))
def test_figures_equal_the_plain_definitions(price):
    issued, got = forecast(), outcome(price)
    y = math.log(price / 50.0)
    losses = [
        max(level * (y - value), (level - 1) * (y - value))
        for level, value in zip(LEVELS, issued["value"], strict=True)
    ]
    low, high = issued["value"][0], issued["value"][-1]
    assert got["actual"] == pytest.approx(y, abs=1e-12)
    assert got["pinball"] == pytest.approx(sum(losses) / len(losses), abs=1e-12)
    assert got["covered"] == (low <= y <= high)
    assert got["error"] == pytest.approx(abs(y - issued["value"][2]), abs=1e-12)
    assert got["naive_error"] == pytest.approx(abs(y), abs=1e-12)


@pytest.mark.parametrize(
    ("up", "price", "hit"),
    [(0.6, 55, True), (0.6, 45, False), (0.4, 45, True), (0.4, 55, False),
     (0.5, 55, None), (0.6, 50, None)],
)  # fmt: skip
def test_direction_is_right_wrong_or_not_called(up, price, hit):
    assert outcome(float(price), up=up)["hit"] is hit


def test_first_and_latest_vintage_are_scored_apart():
    known = prices(("wti", TARGET, 1, 55.0, PUBLISHED), ("wti", TARGET, 2, 45.0, REVISED))
    scored = score(forecast(), known, LATER).select("vintage", "actual_price")
    assert sorted(scored.iter_rows()) == [("first", 55.0), ("latest", 45.0)]


def test_price_that_is_not_public_yet_scores_nothing():
    known = prices(("wti", TARGET, 1, 55.0, PUBLISHED))
    assert score(forecast(), known, PUBLISHED - timedelta(seconds=1)).is_empty()


def test_withdrawn_price_keeps_its_first_score_and_loses_its_latest():
    known = prices(("wti", TARGET, 1, 55.0, PUBLISHED), ("wti", TARGET, 2, None, REVISED))
    assert score(forecast(), known, LATER)["vintage"].to_list() == ["first"]


def test_market_that_was_shut_on_the_target_day_is_scored_at_its_next_session():
    known = prices(("wti", TARGET + timedelta(days=1), 1, 56.0, PUBLISHED))
    scored = score(forecast(), known, LATER)
    assert set(scored["actual_price"]) == {56.0}
    assert set(scored["target_session"]) == {TARGET}


def test_price_before_the_target_is_no_outcome():
    known = prices(("wti", TARGET - timedelta(days=1), 1, 56.0, PUBLISHED))
    assert score(forecast(), known, LATER).is_empty()


def test_price_more_than_a_week_after_the_target_is_no_outcome():
    known = prices(("wti", TARGET + timedelta(days=8), 1, 56.0, PUBLISHED))
    assert score(forecast(), known, LATER).is_empty()


def test_price_below_zero_has_no_log_return_and_no_score():
    known = prices(("wti", TARGET, 1, -36.98, PUBLISHED))
    assert score(forecast(), known, LATER).is_empty()


def test_scores_keep_their_contract_even_when_there_are_none():
    assert SCORE.validate(score(forecast(), prices(), MONDAY)).is_empty()
    known = prices(("wti", TARGET, 1, 55.0, PUBLISHED))
    assert SCORE.validate(score(forecast(), known, LATER)).height == 2


def test_forecast_without_the_needed_levels_is_refused():
    known = prices(("wti", TARGET, 1, 55.0, PUBLISHED))
    thin = forecast().filter(pl.col("quantile") != 0.9)
    with pytest.raises(ValueError, match=r"0\.9"):
        score(thin, known, LATER)
