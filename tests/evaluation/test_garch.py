from datetime import date

import numpy as np
import polars as pl
import pytest
from arch import arch_model

from cbi_pipeline.evaluation import Garch, garch_baselines
from cbi_pipeline.evaluation.garch import History, Parameters, _filtered, _simulate
from cbi_pipeline.forecasting.folds import Fold
from data_contracts.market import PRICE
from tests.evaluation import panels

EMPTY = np.array([], dtype=np.int64)
FOREVER = np.iinfo(np.int64).max


def prices(panel, *, seed=0):
    """``market.price`` rows of the panel's sessions, following a GARCH process."""
    frames = []
    for c, name in enumerate(panels.STEPS):
        own = panel.commodity_R.numpy() == c
        count = int(own.sum())
        returns = garch_path(np.random.default_rng([seed, c]), count)
        available = panel.decision_at_R.numpy()[own]
        frames.append(
            pl.DataFrame(
                {
                    "commodity": name,
                    "session": pl.Series(panel.session_R.numpy()[own]).cast(pl.Date),
                    "version": np.ones(count, dtype=np.int64),
                    "price": 50.0 * np.exp(np.cumsum(returns) / 100.0),
                    "instrument": "spot",
                    "factor": 1.0,
                    "roll": False,
                    "available_at": pl.Series(available).cast(PRICE.dtypes["available_at"]),
                    "available_basis": "calendar",
                }
            )
        )
    return PRICE.validate(pl.concat(frames))


def garch_path(rng, count, omega=0.05, alpha=0.12, beta=0.83, degrees=6.0):
    variance, path = 1.0, np.empty(count)
    for t in range(count):
        path[t] = np.sqrt(variance) * rng.standard_t(degrees) * np.sqrt((degrees - 2) / degrees)
        variance = omega + alpha * path[t] ** 2 + beta * variance
    return path


@pytest.fixture(scope="module")
def panel():
    return panels.panel(weeks=320)


@pytest.fixture(scope="module")
def priced(panel):
    return prices(panel)


def fold(panel, rows, refit_week=300):
    refit = (panels.FIRST_DAY + 7 * refit_week) * panels.DAY_US
    return Fold("f", refit, EMPTY, EMPTY, np.asarray(rows, dtype=np.int64))


@pytest.mark.parametrize(("kind", "order"), [("garch", 0), ("gjr", 1)])
def test_the_filtered_variance_agrees_with_arch(panel, priced, kind, order):
    history = History.of(priced, "daily")
    model = arch_model(history.returns(FOREVER), mean="Zero", p=1, o=order, q=1, dist="t")
    fit = model.fit(disp="off")
    found = fit.params
    ours = Parameters(
        found["omega"], found["alpha[1]"], found.get("gamma[1]", 0.0), found["beta[1]"], found["nu"]
    )
    reference = fit.forecast(horizon=1, reindex=False).variance.to_numpy()[0, 0]
    last = np.flatnonzero(panel.commodity_R.numpy() == 0)[-1:]
    assert _filtered(ours, history, panel, last)[0] == pytest.approx(reference, rel=1e-4)


def test_simulated_variances_agree_with_the_recursion_of_the_expected_variance():
    fitted = Parameters(omega=0.05, alpha=0.1, gamma=0.0, beta=0.85, degrees=12.0)
    start = np.array([0.5, 3.0])
    sums = _simulate(fitted, start, (5, 20))
    for n, variance in enumerate(start):
        expected, total = variance, []
        for _ in range(20):
            total.append(expected)
            expected = 0.05 + 0.95 * expected
        assert sums[0][n].var() == pytest.approx(sum(total[:5]), rel=0.08)
        assert sums[1][n].var() == pytest.approx(sum(total), rel=0.08)


def test_plain_garch_expects_no_change_and_calls_no_direction(panel, priced):
    rows = [1530, 1540, 1910]
    forecasts = Garch(priced).forecast(panel, fold(panel, rows), None)
    assert forecasts.q_NHQ[:, :, 6] == pytest.approx(0.0, abs=1e-12)
    assert (forecasts.up_NH == 0.5).all()
    assert (np.diff(forecasts.q_NHQ, axis=2) > 0).all()


def test_forecasts_widen_after_a_turbulent_week(panel, priced):
    rows = np.arange(1500, 1580)
    wide = Garch(priced).forecast(panel, fold(panel, rows), None).vol_NH[:, 0]
    returns = History.of(priced, "daily").returns(FOREVER)
    recent = np.array([np.abs(returns[row - 10 : row]).mean() for row in rows])
    assert np.corrcoef(wide, recent)[0, 1] > 0.6


def test_nothing_public_later_changes_a_forecast(panel, priced):
    rows = [1510]
    instant = panel.decision_at_R.numpy()[1510]
    later = pl.col("available_at").to_physical() > instant
    shaken = priced.with_columns(
        pl.when(later).then(pl.col("price") * 3).otherwise("price").alias("price")
    )
    one = Garch(priced).forecast(panel, fold(panel, rows), None)
    other = Garch(shaken).forecast(panel, fold(panel, rows), None)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_fit_knows_only_returns_public_at_the_refit(panel, priced):
    given = fold(panel, [1510])
    later = pl.col("available_at").to_physical() > given.refit_at_us
    shaken = priced.with_columns(
        pl.when(later).then(pl.col("price") * 3).otherwise("price").alias("price")
    )
    model = Garch(priced)
    first, second = (
        model._fit(History.of(frame, "daily"), given.refit_at_us) for frame in (priced, shaken)
    )
    assert first == second


def test_a_price_that_is_not_positive_has_no_return_and_stops_nothing(panel, priced):
    negative = priced.with_columns(
        price=pl.when(pl.col("session") == date(2015, 1, 5)).then(-37.63).otherwise("price")
    )
    left_out = priced.filter(pl.col("session") != date(2015, 1, 5))
    with_it, without = (History.of(prices, "daily") for prices in (negative, left_out))
    assert (with_it.returns(FOREVER) == without.returns(FOREVER)).all()
    assert np.isfinite(Garch(negative).forecast(panel, fold(panel, [1510]), None).q_NHQ).all()


def test_a_commodity_of_too_few_returns_at_the_refit_is_sat_out_and_the_other_is_not(panel, priced):
    daily, weekly = 1510, 1700
    (absence,) = Garch(priced).absences(panel, fold(panel, [daily, weekly], refit_week=100))
    assert (absence.commodity, absence.rows.tolist()) == ("weekly", [weekly])
    assert "99 returns were public" in absence.reason
    assert "it needs 250" in absence.reason


def test_both_kinds_carry_their_own_name_and_identity(priced):
    one, other = garch_baselines(priced)
    assert (one.name, other.name) == ("garch_t", "gjr_t")
    assert one.identity() != other.identity()
