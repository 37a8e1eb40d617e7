"""Members averaged by their weights, by commodity; what one cannot say the others do; the fuse."""

import dataclasses

import numpy as np
import pytest
import torch

from cbi_pipeline.evaluation import estimator_of
from cbi_pipeline.evaluation.models.combined import Combined
from cbi_pipeline.forecasting import student
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.climatology import ClimatologyRecipe
from cbi_pipeline.forecasting.models.combined import FUSE, CombinedRecipe, Member, OwnForecasts
from cbi_pipeline.forecasting.models.ewma import EwmaRecipe
from cbi_pipeline.forecasting.models.garch import GarchRecipe
from cbi_pipeline.forecasting.models.har import HarRecipe
from cbi_pipeline.forecasting.models.prior import PriorRecipe
from tests.evaluation import panels
from tests.evaluation.models import blend

EMPTY = np.array([], dtype=np.int64)
ROWS = np.array([1510, 1540, 1910])


def fold(rows, refit_week=300):
    refit = (panels.FIRST_DAY + 7 * refit_week) * panels.DAY_US
    return Fold("f", refit, EMPTY, EMPTY, np.asarray(rows, dtype=np.int64))


def combine(*pairs, **others):
    members = tuple(Member(recipe=recipe, weight=weight) for recipe, weight in pairs)
    return Combined(CombinedRecipe(forecasts=members, **others))


@pytest.fixture(scope="module")
def panel():
    return panels.panel(weeks=320)


def alone(recipe, panel, rows=ROWS):
    return estimator_of(recipe).fit(panel, fold(rows)).model.predict(panel, rows)


def test_it_is_the_weighted_mean_of_its_members(panel):
    recipes = (HarRecipe(), 3.0), (ClimatologyRecipe(), 1.0)
    mixed = combine(*recipes, mean=False).forecast(panel, fold(ROWS), None)
    one, other = (alone(recipe, panel) for recipe, _ in recipes)
    for whole, left, right in zip(mixed, one, other, strict=True):
        assert whole == pytest.approx(0.75 * left + 0.25 * right, rel=1e-12)


def test_a_commodity_has_members_of_its_own(panel):
    own = OwnForecasts(commodity="weekly", forecasts=(Member(recipe=EwmaRecipe()),))
    mixed = combine((HarRecipe(), 1.0), own=(own,), mean=False)
    q = mixed.forecast(panel, fold(ROWS), None).q_NHQ
    assert q[:2] == pytest.approx(alone(HarRecipe(), panel).q_NHQ[:2], rel=1e-12)
    assert q[2] == pytest.approx(alone(EwmaRecipe(), panel).q_NHQ[2], rel=1e-12)


def test_a_member_that_sits_out_leaves_the_rest_averaged(panel):
    """The weekly record has too few returns for HAR at this refit."""
    young, rows = fold([1510, 1900], refit_week=200), np.array([1510, 1900])
    mixed = combine((HarRecipe(), 4.0), (ClimatologyRecipe(), 1.0), mean=False)
    assert not mixed.absences(panel, young)
    model = mixed.fit(panel, young).model
    assert not model.absences(panel, rows)
    climatology = alone(ClimatologyRecipe(), panel, rows)
    assert model.predict(panel, rows).q_NHQ[1] == pytest.approx(climatology.q_NHQ[1], rel=1e-12)


def test_where_every_member_sits_out_it_does_with_their_reasons(panel):
    young = fold([1510, 1900], refit_week=200)
    mixed = combine((HarRecipe(), 1.0), (GarchRecipe(), 1.0))
    (absence,) = mixed.absences(panel, young)
    assert (absence.commodity, absence.rows.tolist()) == ("weekly", [1900])
    assert "199 returns were public at the refit of f; it needs 252" in absence.reason
    assert "199 returns were public at the refit of f, it needs 250" in absence.reason
    (absent,) = mixed.fit(panel, young).model.absences(panel, young.test_rows)
    assert absent.rows.tolist() == [1900]


def test_no_band_is_wider_or_narrower_than_the_fuse_allows(panel):
    variances = panel.variance_R2.numpy().copy()
    variances[1510, 0], variances[1540, 0] = 1e-1, 1e-12
    wild = dataclasses.replace(panel, variance_R2=torch.from_numpy(variances))
    mixed = combine((EwmaRecipe(), 1.0)).forecast(wild, fold(ROWS), None)
    width = mixed.q_NHQ[:, :, -1] - mixed.q_NHQ[:, :, 0]
    levels = EwmaRecipe().levels
    usual = student.quantile(levels[-1]) - student.quantile(levels[0])
    usual *= np.sqrt(1e-4 * np.array(panels.STEPS["daily"]))
    assert width[0] == pytest.approx(FUSE * usual, rel=1e-5)
    assert width[1] == pytest.approx(usual / FUSE, rel=1e-5)
    assert (np.diff(mixed.q_NHQ, axis=2) > 0).all()


def test_prices_that_seldom_move_have_a_band_of_some_width(panel):
    moved = np.random.default_rng(3).random(panel.rows) < 0.05
    returns = np.where(moved, 1.0, 0.0) * np.nan_to_num(panel.return_R.numpy())
    daily = panel.commodity_R.numpy() == 0
    price = np.where(daily, 50.0 * np.exp(np.cumsum(np.where(daily, returns, 0.0))), 50.0)
    sticky = dataclasses.replace(
        panel, return_R=torch.from_numpy(returns), price_R=torch.from_numpy(price)
    )
    q = blend().forecast(sticky, fold([1510]), None).q_NHQ
    assert (q[:, :, -1] - q[:, :, 0] > 0.0).all()


def test_predictable_returns_move_the_forecast_and_its_chance_of_a_rise(panel):
    returns = panel.return_R.numpy().copy()
    for row in range(2, 1600):
        returns[row] += 0.6 * returns[row - 1]
    given = dataclasses.replace(panel, return_R=torch.from_numpy(returns))
    rows = np.arange(1500, 1590)
    members = (EwmaRecipe(), 1.0)
    moved, still = (
        combine(members, mean=mean).forecast(given, fold(rows), None) for mean in (True, False)
    )
    middle = moved.q_NHQ[:, 0, EwmaRecipe().levels.index(0.5)]
    assert np.corrcoef(middle, returns[rows])[0, 1] > 0.9
    assert np.corrcoef(moved.up_NH[:, 0], middle)[0, 1] > 0.9
    assert (moved.vol_NH[:, 0] < still.vol_NH[:, 0]).all()
    assert (still.up_NH == 0.5).all()


def test_a_recipe_rests_on_those_of_its_members():
    one = combine((GarchRecipe(), 1.0), (PriorRecipe(), 1.0))
    other = combine((GarchRecipe(asymmetric=True), 1.0), (PriorRecipe(), 1.0))
    assert one.identity() != other.identity()
    assert {"cbi_pipeline.evaluation.models.garch", "cbi_pipeline.forecasting.models.prior"} <= set(
        one.modules
    )


def test_two_recipes_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two recipes bear the name garch_t"):
        combine((GarchRecipe(), 1.0), (GarchRecipe(asymmetric=True), 1.0))
