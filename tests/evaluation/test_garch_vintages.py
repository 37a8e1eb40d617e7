"""GARCH knows what was public at each instant: holes filled later, corrections, withdrawals."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.evaluation import Garch
from cbi_pipeline.evaluation.garch import PERCENT, History, Parameters, _filtered
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.market import decision_at, latest_prices
from data_contracts.market import PRICE
from tests.features.records import observations, prices

DAY = timedelta(days=1)
START = datetime(2015, 1, 1, tzinfo=UTC)
FITTED = Parameters(omega=0.05, alpha=0.1, gamma=0.05, beta=0.85, degrees=8.0)
EMPTY = np.array([], dtype=np.int64)
HOLE, FILLED = date(2016, 6, 1), datetime(2017, 7, 20, 21, tzinfo=UTC)


def origins(decided: list[tuple[date, datetime]]) -> SimpleNamespace:
    """What GARCH reads of a panel: sessions and instants of one commodity."""
    return SimpleNamespace(
        spec=SimpleNamespace(commodities=("wti",), horizons=("1w", "1m"), steps=((5, 21),)),
        commodity_R=torch.zeros(len(decided), dtype=torch.int64),
        session_R=torch.tensor([(day - date(1970, 1, 1)).days for day, _ in decided]),
        decision_at_R=torch.tensor([micros(at) for _, at in decided]),
    )


def micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def told(versions: list[tuple[date, int, float | None, datetime]]) -> pl.DataFrame:
    rows = [
        ("wti", day, n, price, "spot", 1.0, False, at, "stamp") for day, n, price, at in versions
    ]
    return pl.DataFrame(rows, schema=dict(PRICE.dtypes), orient="row")


def public(everything: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """The usable prices at an instant; whatever became public later is thrown away first."""
    then = latest_prices(everything.filter(pl.col("available_at") <= at), at)
    return then.filter(pl.col("price") > 0.0).sort("session")


def replayed(price: np.ndarray) -> float:
    """The variance after the last price, one step after another."""
    variance = FITTED.start
    for shock in PERCENT * np.diff(np.log(price)):
        leverage = FITTED.alpha + FITTED.gamma * (shock < 0.0)
        variance = FITTED.omega + leverage * shock**2 + FITTED.beta * variance
    return variance


#: Days until a session is first public, then corrections (None withdraws) and days until each.
PRICES = st.floats(-5.0, 90.0)
CORRECTIONS = st.lists(st.tuples(st.one_of(st.none(), PRICES), st.integers(1, 40)), max_size=2)
SESSIONS = st.lists(
    st.tuples(PRICES, st.one_of(st.just(1), st.integers(1, 40)), CORRECTIONS),
    min_size=8,
    max_size=30,
)


@given(SESSIONS, st.lists(st.integers(1, 90), min_size=1, max_size=12))
@settings(max_examples=60)
def test_every_variance_is_that_of_the_prices_public_at_its_origin(sessions, instants):
    versions = []
    for number, (price, delay, corrections) in enumerate(sessions):
        day, at = (START + number * DAY).date(), START + (number + delay) * DAY
        versions.append((day, 1, price, at))
        for version, (corrected, later) in enumerate(corrections, start=2):
            at += later * DAY
            versions.append((day, version, corrected, at))
    everything = told(versions)
    then = {at: public(everything, at) for at in (START + n * DAY for n in instants)}
    asked = [(prices["session"][-1], at) for at, prices in then.items() if prices.height]
    if asked:
        panel = origins(asked)
        rows = np.arange(len(asked))
        found = _filtered(FITTED, History.of(everything, "wti"), panel, rows)
        expected = [replayed(then[at]["price"].to_numpy()) for _, at in asked]
        assert found == pytest.approx(expected, rel=1e-12)


@given(SESSIONS, st.integers(1, 90))
@settings(max_examples=60)
def test_it_is_fitted_on_the_returns_of_the_prices_public_at_the_refit(sessions, instant):
    versions = [
        ((START + n * DAY).date(), 1, price, START + (n + delay) * DAY)
        for n, (price, delay, _) in enumerate(sessions)
    ]
    at = START + instant * DAY
    expected = PERCENT * np.diff(np.log(public(told(versions), at)["price"].to_numpy()))
    found = History.of(told(versions), "wti").returns(micros(at))
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-12)


@pytest.fixture(scope="module")
def wti() -> pl.DataFrame:
    """The shipped record of WTI since 2010."""
    return (
        prices(observations()).filter(commodity="wti").filter(pl.col("session").dt.year() >= 2010)
    )


@pytest.fixture(scope="module")
def late(wti) -> pl.DataFrame:
    """The same, one session first public a year after its neighbours."""
    hole = pl.col("session") == HOLE
    when = pl.when(hole).then(pl.lit(FILLED)).otherwise("available_at")
    return wti.with_columns(available_at=when.cast(PRICE.dtypes["available_at"]))


@pytest.fixture(scope="module")
def weekly(late) -> list[tuple[date, datetime]]:
    """Every fifth session from the hole to half a year past its filling, as it was decided on."""
    after = late.filter(pl.col("session").is_between(date(2016, 6, 2), date(2018, 1, 31)))
    decided = after.select("session", at=decision_at(pl.col("available_at")))
    return decided.gather_every(5).rows()


def forecast(prices: pl.DataFrame, asked: list[tuple[date, datetime]], refit: date):
    at = micros(datetime(refit.year, refit.month, refit.day, tzinfo=UTC))
    fold = Fold(str(refit), at, EMPTY, EMPTY, np.arange(len(asked)))
    return Garch(prices).forecast(origins(asked), fold, None)


@pytest.mark.parametrize("refit", [date(2016, 4, 1), date(2017, 7, 1)])
def test_a_session_first_public_late_changes_no_forecast_before_it_was(wti, late, weekly, refit):
    before = [one for one in weekly if one[1] < FILLED]
    never = wti.filter(pl.col("session") != HOLE)
    with_it, without = (forecast(one, before, refit) for one in (late, never))
    assert all(np.array_equal(a, b) for a, b in zip(with_it, without, strict=True))


def test_volatility_goes_on_moving_while_a_session_is_not_public_yet(late, weekly):
    before = [one for one in weekly if one[1] < FILLED]
    volatility = forecast(late, before, date(2016, 4, 1)).vol_NH[:, 0]
    assert len(np.unique(volatility)) == len(before) > 50


def test_a_session_first_public_late_counts_from_then_on(wti, late, weekly):
    after = [one for one in weekly if one[1] > FILLED]
    filled, always = (forecast(one, after, date(2016, 4, 1)) for one in (late, wti))
    assert np.array_equal(filled.q_NHQ, always.q_NHQ)


def test_a_first_session_that_is_public_late_leaves_the_rest_of_the_record_alone(wti, weekly):
    first = pl.col("session") == pl.col("session").min()
    when = pl.when(first).then(pl.lit(datetime(2019, 6, 1, tzinfo=UTC))).otherwise("available_at")
    late = wti.with_columns(available_at=when.cast(PRICE.dtypes["available_at"]))
    one, other = (forecast(given, weekly, date(2016, 4, 1)) for given in (late, wti.filter(~first)))
    assert np.array_equal(one.q_NHQ, other.q_NHQ)


def test_a_correction_counts_from_its_own_instant_on(wti, weekly):
    hole = wti.filter(session=HOLE)
    corrected = pl.concat(
        [
            wti,
            hole.with_columns(
                version=pl.lit(2, pl.Int64),
                price=pl.col("price") * 1.2,
                available_at=pl.lit(FILLED).cast(PRICE.dtypes["available_at"]),
            ),
        ]
    )
    one, other = (forecast(given, weekly, date(2016, 4, 1)) for given in (corrected, wti))
    moved = (one.q_NHQ != other.q_NHQ).any(axis=(1, 2))
    assert moved.tolist() == [at > FILLED for _, at in weekly]


def test_what_it_read_changes_its_name_from_the_instant_it_was_public(wti, late):
    at, later = micros(FILLED - DAY), micros(FILLED + DAY)
    never = wti.filter(pl.col("session") != HOLE)
    assert Garch(late).basis(at) == Garch(never).basis(at)
    assert Garch(late).basis(later) != Garch(never).basis(later)


def test_an_import_that_is_public_all_at_once_today_sits_out_what_came_before(wti, weekly):
    seen = weekly[-2][1]
    imported = wti.with_columns(
        available_at=pl.lit(seen - DAY).cast(PRICE.dtypes["available_at"]),
        available_basis=pl.lit("first_seen"),
    )
    fold = Fold("2018-01-01", micros(datetime(2018, 1, 1, tzinfo=UTC)), EMPTY, EMPTY, np.arange(2))
    (absence,) = Garch(imported).absences(origins(weekly[-2:]), fold)
    assert absence.reason == ("0 returns were public at the refit of 2018-01-01, it needs 250")
