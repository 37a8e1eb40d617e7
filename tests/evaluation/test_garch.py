import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from arch import arch_model

from cbi_pipeline.evaluation.models.garch import Garch, fit_returns
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.garch import GarchRecipe, Parameters, filter_at
from cbi_pipeline.forecasting.models.recipe import DEFAULT_LEVELS
from cbi_pipeline.forecasting.models.returns import Returns
from tests.evaluation import panels

EMPTY = np.array([], dtype=np.int64)


def garch_path(rng, count, omega=0.05, alpha=0.12, beta=0.83, degrees=6.0):
    variance, path = 1.0, np.empty(count)
    for t in range(count):
        path[t] = np.sqrt(variance) * rng.standard_t(degrees) * np.sqrt((degrees - 2) / degrees)
        variance = omega + alpha * path[t] ** 2 + beta * variance
    return path


@pytest.fixture(scope="module")
def panel():
    """The generated panel, its prices following a GARCH process."""
    plain = panels.panel(weeks=320)
    returns = np.empty(plain.rows)
    for c in range(len(panels.STEPS)):
        own = plain.commodity_R.numpy() == c
        returns[own] = garch_path(np.random.default_rng([0, c]), int(own.sum())) / 100.0
        returns[np.flatnonzero(own)[0]] = np.nan
    return with_returns(plain, returns)


def with_returns(panel, returns):
    return dataclasses.replace(panel, return_R=torch.from_numpy(returns))


def fold(rows, refit_week=300):
    refit = (panels.FIRST_DAY + 7 * refit_week) * panels.DAY_US
    return Fold("f", refit, EMPTY, EMPTY, np.asarray(rows, dtype=np.int64))


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("kind", "order"), [("garch", 0), ("gjr", 1)])
def test_the_filtered_variance_agrees_with_arch(panel, kind, order):
    returns = Returns.of(panel, "daily")
    fit = arch_model(returns.percent, mean="Zero", p=1, o=order, q=1, dist="t").fit(disp="off")
    found = fit.params
    ours = Parameters(
        found["omega"], found["alpha[1]"], found.get("gamma[1]", 0.0), found["beta[1]"], found["nu"]
    )
    reference = fit.forecast(horizon=1, reindex=False).variance.to_numpy()[0, 0]
    last = np.flatnonzero(panel.commodity_R.numpy() == 0)[-1:]
    assert filter_at(ours, returns, last)[0] == pytest.approx(reference, rel=1e-4)


def test_plain_garch_expects_no_change_and_calls_no_direction(panel):
    forecasts = Garch().forecast(panel, fold([1530, 1540, 1910]), None)
    assert (forecasts.q_NHQ[:, :, DEFAULT_LEVELS.index(0.5)] == 0.0).all()
    assert np.array_equal(forecasts.q_NHQ, -forecasts.q_NHQ[:, :, ::-1])
    assert (forecasts.up_NH == 0.5).all()
    assert (np.diff(forecasts.q_NHQ, axis=2) > 0).all()


def test_forecasts_widen_after_a_turbulent_week(panel):
    rows = np.arange(1500, 1580)
    wide = Garch().forecast(panel, fold(rows), None).vol_NH[:, 0]
    returns = Returns.of(panel, "daily").percent
    recent = np.array([np.abs(returns[row - 10 : row]).mean() for row in rows])
    assert np.corrcoef(wide, recent)[0, 1] > 0.6


def test_no_return_of_a_later_row_changes_a_forecast(panel):
    shaken = panel.return_R.numpy().copy()
    shaken[1511:1600] *= 3.0
    one, other = (
        Garch().forecast(given, fold([1510]), None)
        for given in (panel, with_returns(panel, shaken))
    )
    assert same(one, other)


def test_the_fit_knows_only_returns_of_rows_decided_by_the_refit(panel):
    later = panel.decision_at_R.numpy() > fold([]).refit_at_us
    shaken = np.where(later, 3.0, 1.0) * panel.return_R.numpy()
    fits = [
        fit_returns(Returns.of(given, "daily").until(fold([]).refit_at_us), asymmetric=False)
        for given in (panel, with_returns(panel, shaken))
    ]
    assert fits[0] == fits[1] is not None


def test_an_absent_return_is_stepped_over_and_stops_nothing(panel):
    """Around a price at or below zero: none into it, none out of it."""
    holed = panel.return_R.numpy().copy()
    holed[[700, 701]] = np.nan
    given = with_returns(panel, holed)
    kept = np.delete(panel.return_R.numpy()[1:1511], [699, 700]) * 100.0
    returns = Returns.of(given, "daily")
    fitted = fit_returns(returns.until(fold([]).refit_at_us), asymmetric=False)
    variance = fitted.start
    for shock in kept:
        variance = fitted.next(variance, shock)
    assert filter_at(fitted, returns, np.array([1510]))[0] == variance
    assert np.isfinite(Garch().forecast(given, fold([1510]), None).q_NHQ).all()


def test_a_commodity_of_too_few_returns_at_the_refit_is_sat_out_and_the_other_is_not(panel):
    daily, weekly = 1510, 1700
    (absence,) = Garch().absences(panel, fold([daily, weekly], refit_week=100))
    assert (absence.commodity, absence.rows.tolist()) == ("weekly", [weekly])
    assert "99 returns were public" in absence.reason
    assert "it needs 250" in absence.reason


def test_both_kinds_carry_their_own_name_and_identity():
    one, other = Garch(), Garch(GarchRecipe(name="gjr_t", asymmetric=True))
    assert (one.name, other.name) == ("garch_t", "gjr_t")
    assert one.identity() != other.identity()


def growing(panel, count=60):
    """The daily record with moves that grow without end in the weeks before the refit."""
    decided = np.flatnonzero(
        (panel.commodity_R.numpy() == 0) & (panel.decision_at_R.numpy() <= fold([]).refit_at_us)
    )
    returns = panel.return_R.numpy().copy()
    returns[decided[-count:]] *= 1.15 ** np.arange(count)
    return with_returns(panel, returns)


def test_a_fit_that_does_not_come_out_keeps_the_parameters_of_a_quarter_before(panel, caplog):
    given = growing(panel)
    fitted = Garch().fit(given, fold([1510])).model.fitted["daily"]
    earlier = datetime.fromisoformat(fitted.until).replace(tzinfo=UTC)
    before = Returns.of(given, "daily").until(round(earlier.timestamp() * 1e6))
    assert fitted.equation == fit_returns(before, asymmetric=False)
    assert f"no fit came out at the refit of f; it keeps that of {fitted.until}" in caplog.text
    assert not Garch().absences(given, fold([1510]))


@pytest.mark.parametrize("asymmetric", [False, True])
def test_prices_that_seldom_move_have_no_variance_equation_and_are_sat_out(panel, asymmetric):
    moved = np.random.default_rng(3).random(panel.rows) < 0.3
    sticky = with_returns(panel, np.where(moved, 1.0, 0.0) * panel.return_R.numpy())
    estimator = Garch(GarchRecipe(asymmetric=asymmetric))
    (absence,) = estimator.absences(sticky, fold([1510]))
    assert "no fit came out at the refit of f, nor on what was public in the 4 quarters before" in (
        absence.reason
    )
    model = estimator.fit(sticky, fold([1510])).model
    (told,) = model.absences(sticky, np.array([1510]))
    assert (told.commodity, told.rows.tolist()) == ("daily", [1510])


def test_a_model_holds_numbers_of_six_digits(panel):
    """Fewer than an optimiser may differ in, so that the same fit has the same name everywhere."""
    (fitted,) = Garch().fit(panel, fold([1510])).model.fitted.values()
    for value in dataclasses.astuple(fitted.equation):
        assert float(f"{value:.6g}") == value
