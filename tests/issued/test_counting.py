"""Which forecasts count: the last of a desk day, and the first day of an origin."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.issued import find_changed, score
from cbi_pipeline.issued.chain import chain
from cbi_pipeline.warehouse import Warehouse, connect
from data_contracts.issued import FORECAST
from tests.issued.spoken import prices, spoken, unchained

NEW_YORK = ZoneInfo("America/New_York")
FRIDAY = date(2019, 3, 1)
LATER = datetime(2019, 6, 1, tzinfo=UTC)


def at(day: int, hour: int) -> datetime:
    return datetime(2019, 3, day, hour, tzinfo=NEW_YORK).astimezone(UTC)


def said(*forecasts: tuple[datetime, date, str]) -> pl.DataFrame:
    """A chain of live forecasts of one market, one session ahead, by (as-of, origin, model)."""
    issued = FORECAST.empty()
    for as_of, origin, model in forecasts:
        fresh = unchained(spoken(as_of, ["wti"], [1], origin=origin, model=model), issued)
        last = issued["row_hash"][-1] if issued.height else "0" * 64
        issued = pl.concat([issued, chain(fresh, last, issued.height)])
    return issued


def scored(issued: pl.DataFrame) -> list[tuple[datetime, str]]:
    days = [FRIDAY + timedelta(days=n) for n in range(1, 20)]
    known = prices(*(("wti", day, 1, 51.0, LATER - timedelta(days=9)) for day in days))
    outcomes = score(issued, known, LATER).filter(pl.col("vintage") == "latest")
    return sorted(outcomes.select("as_of", "model_version").rows())


def test_of_several_forecasts_of_one_desk_day_the_last_is_scored():
    first, last = (at(4, 14), FRIDAY, "1"), (at(4, 23), FRIDAY, "1")
    assert scored(said(first, last)) == [(last[0], "1")]


def test_of_two_models_at_one_instant_the_one_that_spoke_last_is_scored():
    assert scored(said((at(4, 23), FRIDAY, "7"), (at(4, 23), FRIDAY, "3"))) == [(at(4, 23), "3")]


def test_a_day_that_carries_an_origin_on_is_not_scored_on_its_own():
    monday, tuesday = (at(4, 23), FRIDAY, "1"), (at(5, 23), FRIDAY, "2")
    assert scored(said(monday, tuesday)) == [(monday[0], "1")]


def test_a_new_origin_is_scored_although_the_day_spoke_of_it_twice():
    issued = said(
        (at(4, 23), FRIDAY, "1"),
        (at(5, 14), date(2019, 3, 4), "1"),
        (at(5, 23), date(2019, 3, 4), "1"),
    )
    assert scored(issued) == [(at(4, 23), "1"), (at(5, 23), "1")]


def test_a_day_that_spoke_twice_of_a_new_origin_carries_nothing_on():
    issued = said(
        (at(4, 23), FRIDAY, "1"),
        (at(5, 14), date(2019, 3, 4), "1"),
        (at(5, 23), date(2019, 3, 4), "1"),
        (at(6, 23), date(2019, 3, 4), "1"),
    )
    carried = dict(issued.select("as_of", "carried").unique().iter_rows())
    assert carried == {at(4, 23): False, at(5, 14): False, at(5, 23): False, at(6, 23): True}


def test_replays_are_all_scored():
    issued = said((at(4, 23), FRIDAY, "a@1"), (at(5, 23), FRIDAY, "b@1"))
    replayed = issued.with_columns(track=pl.lit("replay"))
    assert len(scored(replayed)) == 2


def test_scores_that_earlier_versions_gave_to_what_does_not_count_are_found():
    issued = said((at(4, 23), FRIDAY, "1"), (at(5, 23), FRIDAY, "2"))
    known = prices(("wti", date(2019, 3, 2), 1, 51.0, LATER - timedelta(days=9)))
    each = [
        score(issued.filter(pl.col("model_version") == model), known, LATER) for model in ("1", "2")
    ]
    changed, void = find_changed(issued, pl.concat(each), known, LATER)
    assert set(void["model_version"]) == {"2"}
    assert len(void) == 2
    assert changed.is_empty()


nights = st.lists(
    st.tuples(
        st.integers(3, 9), st.sampled_from([1, 9, 14, 22, 23]), st.sampled_from("12"),
        st.integers(0, 3),
    ),
    min_size=1, max_size=12, unique_by=lambda one: one[:3],
)  # fmt: skip


def counts_slowly(forecasts) -> set[tuple[datetime, str]]:
    """By going through the days, one after another."""
    kept, origins = set(), set()
    for day in range(1, 12):
        of_day = [one for one in forecasts if one[0].astimezone(NEW_YORK).day == day]
        if of_day:
            newest = max(as_of for as_of, _, _ in of_day)
            as_of, origin, model = [one for one in of_day if one[0] == newest][-1]
            if origin not in origins:
                kept.add((as_of, model))
            origins.add(origin)
    return kept


@given(drawn=nights)
def test_what_is_scored_is_what_a_walk_through_the_days_keeps(drawn):
    forecasts = [
        (at(day, hour), FRIDAY + timedelta(days=origin), model)
        for day, hour, model, origin in drawn
    ]
    assert set(scored(said(*forecasts))) == counts_slowly(forecasts)


@pytest.fixture
def home(tmp_path):
    issued = said(
        (at(4, 14), FRIDAY, "1"),
        (at(4, 23), FRIDAY, "1"),
        (at(4, 23), FRIDAY, "2"),
        (at(5, 1), FRIDAY, "2"),
    )
    warehouse = Warehouse(tmp_path / "warehouse")
    with warehouse.write() as store:
        store.append("issued.forecast", issued)
    warehouse.publish()
    return tmp_path


def test_applications_are_shown_the_last_forecast_of_each_day_whole(home):
    with connect(home) as connection:
        rows = connection.execute(
            "SELECT as_of, model_version, count(*) FROM forecast GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert rows == [(at(4, 23), "2", 5), (at(5, 1), "2", 5)]


def test_everything_that_was_said_stays_in_the_ledger(home):
    with Warehouse(home / "warehouse").read() as store:
        assert len(store.table("issued.forecast")) == 20
