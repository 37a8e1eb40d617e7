"""Pooled HAR: fitted as a slow optimiser fits it, and on nothing that was not public."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import t

from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.har import (
    OFFSET,
    OWN_RIDGE,
    SLOPE_RIDGE,
    WINDOWS,
    Har,
)
from tests.evaluation import panels

EMPTY = np.array([], dtype=np.int64)
REFIT_WEEK = 300


def fold(rows, refit_week=REFIT_WEEK):
    refit = (panels.FIRST_DAY + 7 * refit_week) * panels.DAY_US
    return Fold("f", refit, EMPTY, EMPTY, np.asarray(rows, dtype=np.int64))


@pytest.fixture(scope="module")
def panel():
    return panels.panel(weeks=320)


@pytest.fixture(scope="module")
def fitted(panel):
    return Har().fit(panel, fold([1510, 1910])).model


def outcomes(panel, horizon):
    """(commodity, terms, outcome in usual moves, sessions) of each public outcome, one by one."""
    returns, first = panel.return_R.numpy(), panel.first_row_C().tolist()
    public = panel.target_available_RH.numpy()[:, horizon] <= fold([]).refit_at_us
    for row in np.flatnonzero(public & panel.ready_R.numpy()):
        c = int(panel.commodity_R[row])
        past = np.abs(returns[first[c] + 1 : row + 1])
        if len(past) < 252:
            continue
        usual, steps = past.mean(), panel.spec.steps[c][horizon]
        terms = [np.log((past[-n:].mean() / usual + OFFSET) / (1 + OFFSET)) for n in WINDOWS]
        target = float(panel.target_RH[row, horizon])
        yield c, terms, target / (usual * np.sqrt(steps)), steps


@pytest.mark.parametrize("horizon", [0, 1])
def test_the_scales_are_those_of_the_largest_penalised_likelihood(panel, fitted, horizon):
    commodity, terms, ratio, steps = map(np.array, zip(*outcomes(panel, horizon), strict=True))
    unit = np.sqrt(4.0 / 6.0)

    def loss(beta):
        own = beta[6:][commodity]
        scale = np.exp(terms @ beta[:5] + beta[5] + own)
        fit = (t.logpdf(ratio / (scale * unit), 6.0) - np.log(scale)) / steps
        return -fit.sum() + 0.5 * (
            SLOPE_RIDGE * (beta[:5] ** 2).sum() + OWN_RIDGE * (beta[6:] ** 2).sum()
        )

    best = minimize(loss, np.zeros(8), method="BFGS").x
    scale = fitted.scales[horizon]
    assert scale.slopes == pytest.approx(best[:5], abs=2e-3)
    assert list(scale.level.values()) == pytest.approx(best[5] + best[6:], abs=2e-3)


def test_no_outcome_that_was_not_public_at_the_refit_changes_the_model(panel, fitted):
    later = panel.target_available_RH > fold([]).refit_at_us
    shaken = torch.where(later, panel.target_RH * 9.0, panel.target_RH)
    other = Har().fit(dataclasses.replace(panel, target_RH=shaken), fold([1510, 1910])).model
    assert other.fingerprint() == fitted.fingerprint()


def test_no_return_of_a_later_row_changes_a_forecast(panel, fitted):
    shaken = panel.return_R.numpy().copy()
    shaken[1511:1600] *= 3.0
    other = dataclasses.replace(panel, return_R=torch.from_numpy(shaken))
    rows = np.array([1510])
    assert np.array_equal(fitted.predict(panel, rows).q_NHQ, fitted.predict(other, rows).q_NHQ)


def test_bands_widen_after_large_moves_and_stay_within_those_of_the_record(panel, fitted):
    shaken = panel.return_R.numpy().copy()
    shaken[1400:1511] *= 1000.0
    wild = dataclasses.replace(panel, return_R=torch.from_numpy(shaken))
    rows = np.array([1510])
    _, usual = (np.abs(one.return_R.numpy()[1:1511]).mean() for one in (panel, wild))
    for h, scale in enumerate(fitted.scales):
        limit = usual * np.sqrt(panel.spec.steps[0][h]) * np.exp(scale.highest)
        assert fitted.predict(wild, rows).vol_NH[0, h] <= limit * (1 + 1e-12)
    assert (fitted.predict(wild, rows).vol_NH > fitted.predict(panel, rows).vol_NH).all()


def test_prices_that_have_not_moved_for_a_year_leave_a_band(panel, fitted):
    still = panel.return_R.numpy().copy()
    still[1200:1511] = 0.0
    given = dataclasses.replace(panel, return_R=torch.from_numpy(still))
    assert (fitted.predict(given, np.array([1510])).vol_NH > 1e-3).all()


def test_a_commodity_of_too_few_returns_is_sat_out_in_words_and_the_other_is_not(panel):
    young = fold([1510, 1900], refit_week=200)
    (absence,) = Har().absences(panel, young)
    assert (absence.commodity, absence.rows.tolist()) == ("weekly", [1900])
    assert "199 returns were public at the refit of f; it needs 252" in absence.reason
    model = Har().fit(panel, young).model
    (absent,) = model.absences(panel, young.test_rows)
    assert absent.commodity == "weekly"
