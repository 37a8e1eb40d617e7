"""Gradient-boosted quantiles, where the extra is installed."""

import numpy as np
import pytest

from cbi_pipeline.evaluation import plan, walk_forward
from cbi_pipeline.evaluation.models.boosted import Boosted, BoostedRecipe
from cbi_pipeline.forecasting.folds import Fold
from data_contracts.evaluation import FORECAST
from tests.evaluation import panels

BOOSTED = Boosted(BoostedRecipe(name="lightgbm", feature_set="f-1"))


@pytest.fixture(scope="module")
def panel():
    pytest.importorskip("lightgbm", reason="the extra `boost` is not installed")
    return panels.panel(weeks=160)


def fold(panel):
    rows = np.arange(300, 620)
    return Fold("2013-01-01", 0, rows[:250], rows[250:], np.array([700, 705]))


def test_forecasts_rise_with_the_level_and_scale_with_volatility(panel):
    said = BOOSTED.forecast(panel, fold(panel), None)
    assert (np.diff(said.q_NHQ, axis=2) >= 0.0).all()
    assert (said.vol_NH[:, 1] > said.vol_NH[:, 0]).all()
    assert ((said.up_NH > 0.0) & (said.up_NH < 1.0)).all()


def test_the_same_fold_gives_the_same_bits(panel):
    one, two = (BOOSTED.forecast(panel, fold(panel), None).q_NHQ for _ in range(2))
    assert (one == two).all()


def test_it_stands_in_the_same_table(panel):
    planned = plan(
        panel, panels.catalogue(years=1, origins=10, refits="yearly"), panels.rows(panel)
    )
    frame = walk_forward(
        panel, [BOOSTED], planned, targets=panels.targets(panel), evaluation_id="e"
    )
    FORECAST.validate(frame)
    assert set(frame["recipe"]) == {"lightgbm"}
