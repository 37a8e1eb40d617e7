"""GARCH and climatology hold what rows knew: holes filled later, corrections, late imports."""

import dataclasses
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

from cbi_pipeline.evaluation import Plan, walk_forward
from cbi_pipeline.evaluation.models.garch import Garch
from cbi_pipeline.features import panel
from cbi_pipeline.features.feature_sets import CORE_1
from cbi_pipeline.forecasting import Panel
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.climatology import Climatology
from cbi_pipeline.market import decision_at
from data_contracts.features import TARGET
from data_contracts.market import SESSION
from data_contracts.observation import OBSERVATION
from tests.features.detector import END
from tests.features.records import CATALOGUE, observations, prices, rows_of

ONE = CATALOGUE.model_copy(update={"commodities": (CATALOGUE.commodity("wti"),)})
EMPTY = np.array([], dtype=np.int64)
HOLE, FILLED = date(2016, 6, 1), datetime(2017, 7, 20, 21, tzinfo=UTC)
INSTANT = SESSION.dtypes["available_at"]


def micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def built(prices: pl.DataFrame) -> Panel:
    """The panel of a price record alone."""
    rows = rows_of(prices, OBSERVATION.empty(), END, catalogue=ONE, at_sight=True)
    return panel(rows, TARGET.empty(), prices, ONE, CORE_1, END)


@pytest.fixture(scope="module")
def wti() -> pl.DataFrame:
    """The shipped record of WTI since 2010."""
    return (
        prices(observations()).filter(commodity="wti").filter(pl.col("session").dt.year() >= 2010)
    )


@pytest.fixture(scope="module")
def late(wti) -> Panel:
    """The record with one session first public a year after its neighbours."""
    when = pl.when(session=HOLE).then(pl.lit(FILLED)).otherwise("available_at")
    return built(wti.with_columns(available_at=when.cast(INSTANT)))


@pytest.fixture(scope="module")
def never(wti) -> Panel:
    """The record without that session."""
    return built(wti.filter(pl.col("session") != HOLE))


def weekly(of: Panel) -> np.ndarray:
    """Every fifth row from the hole to half a year past its filling."""
    days = of.session_R.numpy()
    first, last = ((day - date(1970, 1, 1)).days for day in (HOLE, date(2018, 1, 31)))
    return np.flatnonzero((days > first) & (days <= last))[::5]


def forecast(contender, of: Panel, refit: date, rows: np.ndarray | None = None):
    at = micros(datetime(refit.year, refit.month, refit.day, tzinfo=UTC))
    fold = Fold(str(refit), at, EMPTY, EMPTY, weekly(of) if rows is None else rows)
    return contender.forecast(of, fold, None)


@pytest.mark.parametrize("refit", [date(2016, 4, 1), date(2017, 10, 1)])
@pytest.mark.parametrize("contender", [Garch(), Climatology()], ids=lambda one: one.name)
def test_a_session_first_public_late_changes_no_forecast(late, never, contender, refit):
    """Its move is in the return of the session after it, which was decided on without it."""
    one, other = (forecast(contender, of, refit) for of in (late, never))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_volatility_goes_on_moving_while_a_session_is_not_public_yet(late):
    rows = weekly(late)
    before = rows[late.decision_at_R.numpy()[rows] < micros(FILLED)]
    volatility = forecast(Garch(), late, date(2016, 4, 1), before).vol_NH[:, 0]
    assert len(np.unique(volatility)) == len(before) > 50


def test_no_fold_that_was_finished_before_it_is_computed_again(late, never, tmp_path):
    refits = [datetime(year, month, 1, tzinfo=UTC) for year in (2016, 2017) for month in (7, 10)]
    cached = []
    for of in (never, late):
        done = []
        walk_forward(
            of,
            [Climatology()],
            Plan(planned(of), tuple(refits)),
            targets=TARGET.empty(),
            evaluation_id="e",
            cache_dir=tmp_path,
            on_fold=done.append,
        )
        cached = [(one.fold, one.cached) for one in done]
    assert cached == [
        ("2016-07-01", True),
        ("2016-10-01", True),
        ("2017-07-01", False),
        ("2017-10-01", False),
    ]


def planned(of: Panel) -> pl.DataFrame:
    rows = weekly(of)
    rows = rows[of.decision_at_R.numpy()[rows] >= micros(datetime(2016, 7, 1, tzinfo=UTC))]
    return pl.DataFrame(
        {
            "row": rows,
            "commodity": "wti",
            "session": pl.Series(of.session_R.numpy()[rows]).cast(pl.Date),
            "decision_at": pl.Series(of.decision_at_R.numpy()[rows]).cast(INSTANT),
            "price": of.price_R.numpy()[rows],
        }
    )


@pytest.mark.parametrize("contender", [Garch(), Climatology()], ids=lambda one: one.name)
def test_a_correction_that_comes_after_the_next_decision_changes_no_forecast(wti, contender):
    corrected = wti.filter(session=HOLE).with_columns(
        version=pl.lit(2, pl.Int64),
        price=pl.col("price") * 1.2,
        available_at=pl.lit(FILLED).cast(INSTANT),
    )
    one, other = (built(given) for given in (pl.concat([wti, corrected]), wti))
    said = [forecast(contender, of, date(2016, 4, 1)) for of in (one, other)]
    assert np.array_equal(said[0].q_NHQ, said[1].q_NHQ)


def test_a_correction_before_the_next_decision_is_read(wti):
    (hole,) = wti.filter(session=HOLE).to_dicts()
    slip = wti.with_columns(
        price=pl.when(session=HOLE).then(pl.col("price") * 10).otherwise("price")
    )
    corrected = slip.filter(session=HOLE).with_columns(
        version=pl.lit(2, pl.Int64),
        price=pl.lit(hole["price"]),
        available_at=pl.col("available_at") + timedelta(minutes=1),
    )
    decided = wti.filter(session=HOLE).select(decision_at(pl.col("available_at"))).item()
    assert hole["available_at"] + timedelta(minutes=1) < decided
    one, other = (built(given) for given in (pl.concat([slip, corrected]), wti))
    assert torch.equal(one.price_R, other.price_R)
    torch.testing.assert_close(one.return_R, other.return_R, rtol=0, atol=0, equal_nan=True)


def test_an_import_that_is_public_all_at_once_today_sits_out_what_came_before(wti):
    seen = datetime(2018, 1, 5, tzinfo=UTC)
    imported = built(
        wti.filter(pl.col("session") < seen.date()).with_columns(
            available_at=pl.lit(seen).cast(INSTANT), available_basis=pl.lit("first_seen")
        )
    )
    newest = np.array([imported.rows - 1])
    fold = Fold("2018-01-01", micros(datetime(2018, 1, 1, tzinfo=UTC)), EMPTY, EMPTY, newest)
    (absence,) = Garch().absences(imported, fold)
    assert absence.reason == "0 returns were public at the refit of 2018-01-01, it needs 250"


def test_climatology_counts_every_return_public_at_an_origin_that_shares_its_instant(wti):
    """An import is decided on at one instant, the oldest session of it knowing the newest."""
    seen = datetime(2018, 1, 5, tzinfo=UTC)
    given = wti.filter(pl.col("session") < seen.date())
    at_once = built(
        given.with_columns(
            available_at=pl.lit(seen).cast(INSTANT), available_basis=pl.lit("first_seen")
        )
    )
    both = forecast(Climatology(), at_once, date(2018, 2, 1), np.array([300, at_once.rows - 1]))
    assert np.array_equal(both.q_NHQ[0], both.q_NHQ[1])
    alone = dataclasses.replace(at_once, decision_at_R=torch.arange(at_once.rows))
    steps = forecast(Climatology(), alone, date(2018, 2, 1), np.array([300]))
    assert not np.array_equal(steps.q_NHQ[0], both.q_NHQ[0])
