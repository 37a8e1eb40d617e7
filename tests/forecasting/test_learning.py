"""Every network and every loss finds what is there, and nothing where there is nothing."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from cbi_pipeline.forecasting import build_untrained, fit
from cbi_pipeline.forecasting.losses.objective import ObjectiveConfig, Term
from cbi_pipeline.forecasting.models.recipe import FORMER_LEVELS
from cbi_pipeline.forecasting.networks.cross import CrossConfig
from cbi_pipeline.forecasting.networks.heads import HeadConfig
from cbi_pipeline.forecasting.networks.lstm_attention import RecipeConfig
from cbi_pipeline.forecasting.networks.mlp import MlpConfig
from cbi_pipeline.forecasting.networks.nhits import NhitsConfig
from cbi_pipeline.forecasting.networks.patch_transformer import PatchTransformerConfig
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig
from cbi_pipeline.forecasting.networks.tcn import TcnConfig
from cbi_pipeline.forecasting.optimisers import OptimiserConfig
from cbi_pipeline.forecasting.rate_finder import rate_range
from tests.recipes import tiny

NETWORKS = {
    "gru": RecurrentConfig(hidden=12),
    "lstm": RecurrentConfig(cell="lstm", hidden=12),
    "rnn": RecurrentConfig(cell="rnn", hidden=12),
    "bilstm": RecurrentConfig(cell="bilstm", hidden=8),
    "recipe": RecipeConfig(extractor=16, hidden=16, heads=2, layers=1),
    "mlp": MlpConfig(hidden=24, layers=1),
    "tcn": TcnConfig(hidden=12, blocks=2),
    "patch_transformer": PatchTransformerConfig(hidden=12, heads=2, patch=4, layers=1),
    "nhits": NhitsConfig(hidden=24, state=4, pools=(4, 1)),
    "cross": CrossConfig(encoder=RecurrentConfig(hidden=12), heads=2),
}
POINT = ("squared", "absolute", "huber", "log_cosh", "directional", "sharpe", "pinball")


def recipe(network, objective=None, **training):
    mode = "joint" if isinstance(network, CrossConfig) else "pooled"
    base = dataclasses.replace(
        tiny("test-1"),
        network=network,
        mode=mode,
        window=8,
        head=HeadConfig(hidden=16, embedding=2, newest=False),
    )
    return base.with_training(
        **{
            "batch_size": 64,
            "max_epochs": 14,
            "patience": 14,
            "objective": objective or ObjectiveConfig((Term("pinball"),)),
            "optimiser": OptimiserConfig(rate=1e-2),
            "shrinkage": (1.0,),
            **training,
        }
    )


@pytest.fixture(scope="module")
def planted(make_panel):
    return make_panel({"daily": 1000, "weekly": 300}, signal=0.8, missing=0.0)


@pytest.fixture(scope="module")
def noise(make_panel):
    return make_panel({"daily": 1000, "weekly": 300}, missing=0.0, seed=3)


def correlation(forecaster, panel, rows):
    """Between the median forecast and the return, both in units of the prior, first horizon."""
    forecasts = forecaster.predict(panel, rows)
    unit = np.sqrt(panel.variance_R2.numpy()[rows, 0])
    middle = forecaster.recipe.levels.index(0.5)
    return np.corrcoef(
        forecasts.q_NHQ[:, 0, middle] / unit, panel.target_RH.numpy()[rows, 0] / unit
    )[0, 1]


QUICK = ("mlp",)
SOME = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS]


@pytest.mark.parametrize("name", SOME)
def test_every_network_learns_a_planted_signal_with_pinball(name, planted, split):
    train, validation = split(planted)
    result = fit(recipe(NETWORKS[name]), planted, train, validation)
    losses = [record.validation_loss for record in result.curve]
    assert min(losses) < 0.9 * losses[0]
    assert correlation(result.forecaster, planted, validation) > 0.5


@pytest.mark.parametrize("name", SOME)
def test_on_noise_no_network_leaves_the_prior_or_shows_skill(name, noise, make_panel, split):
    train, validation = split(noise)
    config = recipe(NETWORKS[name], max_epochs=6)
    forecaster = fit(config, noise, train, validation).forecaster
    fresh = make_panel({"daily": 1000, "weekly": 300}, missing=0.0, seed=77)
    rows = split(fresh)[1]
    found = forecaster.predict(fresh, rows)
    prior = build_untrained(config, noise, train).predict(fresh, rows)
    unit = prior.vol_NH[..., None]
    assert np.abs((found.q_NHQ - prior.q_NHQ) / unit).mean() < 0.15
    y, levels = fresh.target_RH.numpy()[rows][..., None], np.array(config.levels)
    losses = [
        (np.maximum(levels * (y - f.q_NHQ), (levels - 1) * (y - f.q_NHQ)) / unit).mean()
        for f in (found, prior)
    ]
    assert losses[0] > 0.99 * losses[1]


@pytest.mark.slow
@pytest.mark.parametrize("loss", POINT)
def test_every_loss_of_the_point_learns_a_planted_signal(loss, planted, split):
    train, validation = split(planted)
    config = recipe(NETWORKS["mlp"], ObjectiveConfig((Term(loss),)))
    result = fit(config, planted, train, validation)
    assert correlation(result.forecaster, planted, validation) > 0.5


def test_the_direction_head_learns_a_planted_signal(planted, split):
    train, validation = split(planted)
    config = recipe(NETWORKS["mlp"], ObjectiveConfig((Term("direction"),)))
    forecaster = fit(config, planted, train, validation).forecaster
    up = forecaster.predict(planted, validation).up_NH[:, 0]
    rose = planted.target_RH.numpy()[validation, 0] > 0
    assert ((up > 0.5) == rose).mean() > 0.65
    sure = up > 0.8
    assert abs(rose[sure].mean() - up[sure].mean()) < 0.12


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["qlike", "gaussian", "student_t"])
def test_every_loss_of_the_scale_learns_a_planted_scale(loss, make_panel, split):
    panel = make_panel({"daily": 1500, "weekly": 400}, scale_signal=0.7, missing=0.0)
    train, validation = split(panel)
    config = recipe(NETWORKS["mlp"], ObjectiveConfig((Term(loss),)))
    forecaster = fit(config, panel, train, validation).forecaster
    forecasts = forecaster.predict(panel, validation)
    wanted = panel.values_RF.numpy()[validation, 1]
    prior = np.sqrt(panel.variance_R2.numpy()[validation, 0])
    assert np.corrcoef(np.log(forecasts.vol_NH[:, 0] / prior), wanted)[0, 1] > 0.6


def test_quantiles_learn_a_planted_scale_and_stay_calibrated(make_panel, split):
    panel = make_panel({"daily": 1500, "weekly": 400}, scale_signal=0.7, missing=0.0)
    train, validation = split(panel)
    forecaster = fit(recipe(NETWORKS["mlp"]), panel, train, validation).forecaster
    forecasts = forecaster.predict(panel, validation)
    low, high = (forecasts.q_NHQ[:, 0, forecaster.recipe.levels.index(end)] for end in (0.05, 0.95))
    width = high - low
    prior = np.sqrt(panel.variance_R2.numpy()[validation, 0])
    wanted = panel.values_RF.numpy()[validation, 1]
    assert np.corrcoef(np.log(width / prior), wanted)[0, 1] > 0.6
    y = panel.target_RH.numpy()[validation, 0]
    inside = (y > low) & (y < high)
    assert 0.85 < inside.mean() < 0.95


@pytest.mark.slow
def test_a_free_form_network_learns_a_planted_signal(planted, split):
    train, validation = split(planted)
    base = recipe(NETWORKS["mlp"])
    config = dataclasses.replace(base, head=dataclasses.replace(base.head, anchored=False))
    result = fit(config, planted, train, validation)
    assert correlation(result.forecaster, planted, validation) > 0.5


def test_one_batch_can_be_memorised(planted):
    rows = np.arange(20, 36)
    config = recipe(NETWORKS["mlp"], max_epochs=150, patience=150)
    config = dataclasses.replace(config, network=MlpConfig(hidden=64, layers=1, dropout=0.0))
    curve = fit(config, planted, rows, rows).curve
    assert min(r.train_loss for r in curve[1:]) < 0.25 * curve[0].validation_loss


def test_the_rate_finder_falls_then_fails_and_changes_nothing(planted, split):
    train, _ = split(planted)
    found = rate_range(recipe(NETWORKS["mlp"]), planted, train, lowest=1e-5, highest=3.0, steps=50)
    rates, losses = np.array(found).T
    assert np.allclose(np.diff(np.log(rates)), np.log(3e5) / 49)
    finite = np.where(np.isfinite(losses), losses, np.inf)
    assert finite[15:40].min() < 0.95 * finite[:5].mean()
    assert not finite[-3:].mean() < finite[15:40].min()
    assert found == rate_range(
        recipe(NETWORKS["mlp"]), planted, train, lowest=1e-5, highest=3.0, steps=50
    )


def test_the_learning_curve_is_the_stored_one(planted, split):
    """Guards against a refactor that changes numbers; regenerate the file only on purpose."""
    stored = json.loads((Path(__file__).parent / "curve.json").read_text())
    train, validation = split(planted)
    for name, expected in stored.items():
        config = dataclasses.replace(recipe(NETWORKS[name], max_epochs=3), levels=FORMER_LEVELS)
        curve = fit(config, planted, train, validation).curve
        found = [[r.train_loss, r.validation_loss, r.gradient_norm] for r in curve[1:]]
        np.testing.assert_allclose(found, expected, rtol=2e-5)
