"""Prices that reach us long after they became public correct the targets already stored."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.features import build_targets
from cbi_pipeline.market import next_sessions
from data_contracts.features import TARGET
from data_contracts.market import SESSION
from tests.features.detector import END, Record
from tests.features.records import CATALOGUE
from tests.features.worlds import world

DAY = timedelta(days=1)
FIRST = date(2018, 1, 2)
START = datetime(2018, 1, 2, tzinfo=UTC)
KEY = ["commodity", "session", "horizon"]
# Enough for several targets five sessions ahead and for none further.
SESSIONS = 12
NIGHTS = 24
DAYS = [FIRST, *next_sessions("eia_spot_daily", FIRST, SESSIONS - 1)]


def priced(versions: list[tuple]) -> pl.DataFrame:
    """WTI prices from (session number, version, price, instant they became public)."""
    rows = [
        {
            "commodity": "wti",
            "session": DAYS[number],
            "version": version,
            "price": price,
            "held_instrument": "made up",
            "roll": False,
            "available_at": public,
            "available_basis": "calendar",
        }
        for number, version, price, public in versions
    ]
    return pl.DataFrame(rows, schema=dict(SESSION.dtypes))


def origins() -> pl.DataFrame:
    return pl.DataFrame({"session": DAYS}).with_columns(commodity=pl.lit("wti"))


def built(
    prices: pl.DataFrame, as_of: datetime, stored: pl.DataFrame | None = None
) -> pl.DataFrame:
    return build_targets(prices, origins(), CATALOGUE, as_of, stored)


def outcomes(targets: pl.DataFrame) -> set[tuple]:
    """The newest version of every target; those withdrawn are left out."""
    newest = targets.sort("version").group_by(KEY, maintain_order=True).last()
    held = newest.filter(pl.col("price").is_not_null())
    return set(held.select(*KEY, "target_session", "value", "price").iter_rows())


def rising(missing: tuple[int, ...] = ()) -> pl.DataFrame:
    """A price a session, the n-th public at the (n + 1)-th midnight."""
    days = [n for n in range(SESSIONS) if n not in missing]
    return priced([(n, 1, 51.0 + n, START + (n + 1) * DAY) for n in days])


NIGHT, NEXT = START + 20 * DAY, START + 21 * DAY


@pytest.fixture
def holed() -> pl.DataFrame:
    """Targets stored while the price of the sixth session was missing."""
    return built(rising(missing=(5,)), NIGHT)


def first_origin(targets: pl.DataFrame) -> list[tuple]:
    told = targets.filter(session=FIRST, horizon=5).sort("version")
    columns = told.select("version", "target_session", "available_at").rows()
    return list(zip(columns, told["value"].to_list(), strict=True))


def test_a_hole_filled_late_corrects_the_targets_that_fell_into_it_from_the_night_of_building(
    holed,
):
    fresh = built(rising(), NEXT, holed)
    wrong, right = first_origin(pl.concat([holed, fresh]))
    assert wrong == ((1, DAYS[6], START + 7 * DAY), pytest.approx(0.1112, abs=5e-5))
    assert right == ((2, DAYS[5], NEXT), pytest.approx(0.0935, abs=5e-5))
    assert outcomes(pl.concat([holed, fresh])) == outcomes(built(rising(), NEXT))
    assert fresh.filter(pl.col("version") > 1)["session"].to_list() == [FIRST]
    TARGET.validate(fresh)


def test_what_was_answered_before_a_late_price_came_is_answered_so_again(holed):
    corrected = built(rising(), NEXT, holed).filter(pl.col("version") > 1)
    assert (corrected["available_at"] > NIGHT).to_list() == [True]


def test_building_again_after_a_late_price_adds_nothing(holed):
    stored = pl.concat([holed, built(rising(), NEXT, holed)])
    assert built(rising(), NEXT, stored).is_empty()
    assert built(rising(), NEXT + DAY, stored).is_empty()


def test_a_correction_published_after_a_late_one_keeps_its_own_instant(holed):
    stored = pl.concat([holed, built(rising(), NEXT, holed)])
    public = NEXT + timedelta(hours=5)
    prices = pl.concat([rising(), priced([(5, 2, 60.0, public)])])
    fresh = built(prices, NEXT + DAY, stored).filter(session=FIRST, horizon=5)
    assert fresh.select("version", "price", "available_at").rows() == [(3, 60.0, public)]


def test_a_target_that_was_never_right_is_withdrawn():
    """Its origin had been withdrawn before the target price came, and we heard of it late."""
    stored = built(rising(), NIGHT)
    prices = pl.concat([rising(), priced([(0, 2, None, START + 3 * DAY)])])
    fresh = built(prices, NEXT, stored).filter(session=FIRST)
    assert fresh.select("version", "target_session", "value", "price", "available_at").rows() == [
        (2, DAYS[5], None, None, NEXT)
    ]
    assert built(prices, NEXT, pl.concat([stored, fresh])).is_empty()


def test_nothing_is_corrected_as_of_an_instant_before_what_is_stored(holed):
    early = built(rising(), START + 6 * DAY, holed)
    assert early.filter(session=FIRST).is_empty()


def test_targets_of_other_horizons_and_rows_are_left_alone(holed):
    other = holed.with_columns(horizon=pl.lit(7, dtype=pl.Int64))
    gone = holed.with_columns(session=pl.col("session").dt.offset_by("-1y"))
    stored = pl.concat([holed, other, gone])
    assert built(rising(missing=(5,)), NEXT, stored).is_empty()


def test_the_last_bit_of_a_logarithm_is_no_correction(holed):
    nudged = holed.with_columns(value=pl.Series(np.nextafter(holed["value"].to_numpy(), 1.0)))
    assert not nudged.equals(holed)
    assert built(rising(missing=(5,)), NEXT, nudged).is_empty()


@st.composite
def heard(draw) -> pl.DataFrame:
    """Prices with their corrections and withdrawals, each with the night on which we hear of it."""
    versions, nights = [], []
    price = st.sampled_from([-3.0, 40.0, 50.0, 60.0])
    lateness = st.one_of(st.just(0), st.integers(0, 12))
    for number in range(SESSIONS):
        days, night = number + draw(st.integers(1, 3)), 0
        for version in range(1, draw(st.sampled_from([1, 1, 1, 2, 3])) + 1):
            value = draw(price if version == 1 else st.one_of(st.none(), price))
            versions.append((number, version, value, START + days * DAY))
            night = max(night, days + draw(lateness))
            nights.append(min(night, NIGHTS))
            days += draw(st.integers(1, 4))
    public = pl.col("available_at") <= START + NIGHTS * DAY
    return priced(versions).with_columns(night=pl.Series(nights)).filter(public)


@given(heard())
@settings(max_examples=8, deadline=None)
@pytest.mark.slow
def test_night_after_night_comes_to_what_is_built_at_once(record):
    stored = TARGET.empty()
    for night in range(2, NIGHTS + 1, 2):
        as_of = START + night * DAY
        prices = record.filter(pl.col("night") <= night).drop("night")
        fresh = built(prices, as_of, stored)
        last = stored.group_by(KEY).agg(before=pl.col("available_at").max())
        assert (fresh["available_at"] <= as_of).all()
        after = fresh.join(last, on=KEY)
        assert (after["available_at"] > after["before"]).all()
        stored = pl.concat([stored, fresh])
        assert outcomes(stored) == outcomes(built(prices, as_of))
        assert built(prices, as_of, stored).is_empty()
    counted = stored.group_by(KEY).agg(n=pl.len(), top=pl.col("version").max(), lone="version")
    assert (counted["n"] == counted["top"]).all()
    assert (counted["lone"].list.n_unique() == counted["n"]).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_without_late_prices_night_after_night_gives_the_same_rows_to_the_bit(seed):
    record = Record(world(seed, weeks=40, revisions=60))
    stored = TARGET.empty()
    instants = record.prices["available_at"].unique().sort().to_list()
    for as_of in [*instants[::40], END]:
        public = record.prices.filter(pl.col("available_at") <= as_of)
        stored = pl.concat([stored, build_targets(public, record.rows, CATALOGUE, as_of, stored)])
    key = [*KEY, "version"]
    assert stored.sort(key).equals(record.targets.sort(key))
