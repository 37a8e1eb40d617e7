import dataclasses

import numpy as np
import pytest

from cbi_pipeline.forecasting import DEFAULT_LEVELS, build_untrained, fit
from cbi_pipeline.forecasting.ensemble import Ensemble
from cbi_pipeline.forecasting.networks.mlp import MlpConfig
from cbi_pipeline.forecasting.networks.nhits import NhitsConfig
from cbi_pipeline.forecasting.networks.patch_transformer import PatchTransformerConfig
from cbi_pipeline.forecasting.networks.tcn import TcnConfig
from cbi_pipeline.forecasting.stacked import fit_ensemble, why_in_turn
from tests.recipes import tiny

MIDDLE = DEFAULT_LEVELS.index(0.5)

STACKABLE = {
    "mlp": MlpConfig(hidden=8, dropout=0.0),
    "tcn": TcnConfig(hidden=4, blocks=2, dropout=0.0),
    "patch_transformer": PatchTransformerConfig(hidden=8, heads=2, patch=4, dropout=0.0),
    "nhits": NhitsConfig(hidden=8, state=2, pools=(4, 1), dropout=0.0),
}


def recipe(network, **training):
    base = dataclasses.replace(tiny("test-1"), network=network, window=8)
    return base.with_training(**{"batch_size": 64, "max_epochs": 3, "patience": 1, **training})


QUICK = ("mlp",)
SOME = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in STACKABLE]


@pytest.mark.parametrize("name", SOME)
def test_stacked_members_equal_members_trained_alone(name, make_panel, split):
    panel = make_panel(signal=0.5)
    train, validation = split(panel)
    config = recipe(STACKABLE[name])
    assert why_in_turn(config) is None
    stacked = fit_ensemble(config, panel, train, validation, seeds=[3, 4, 5])
    for seed, member in zip([3, 4, 5], stacked.members, strict=True):
        alone = fit(config.with_training(seed=seed), panel, train, validation).forecaster
        one, two = (f.predict(panel, validation) for f in (member, alone))
        assert member.recipe == alone.recipe
        np.testing.assert_allclose(one.q_NHQ, two.q_NHQ, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(one.up_NH, two.up_NH, atol=1e-3)


def test_recurrent_members_are_trained_in_turn(panel, split):
    train, validation = split(panel)
    config = tiny("test-1").with_training(max_epochs=1)
    assert "no vectorised form" in why_in_turn(config)
    ensemble = fit_ensemble(config, panel, train, validation, seeds=[1, 2])
    alone = fit(config.with_training(seed=2), panel, train, validation).forecaster
    assert ensemble.members[1].fingerprint() == alone.fingerprint()


@pytest.fixture
def trio(make_panel, split):
    panel = make_panel(signal=0.5)
    train, validation = split(panel)
    config = recipe(STACKABLE["mlp"], max_epochs=4)
    members = fit_ensemble(config, panel, train, validation, seeds=[1, 2, 3]).members
    return panel, validation, Ensemble(members, (0.5, 0.3, 0.2))


def test_an_ensemble_is_the_weighted_mean_and_keeps_every_output(trio):
    panel, rows, ensemble = trio
    found = ensemble.predict(panel, rows)
    each = [member.predict(panel, rows) for member in ensemble.members]
    for name in ("q_NHQ", "up_NH"):
        mean = sum(w * getattr(f, name) for w, f in zip(ensemble.weights, each, strict=True))
        np.testing.assert_allclose(getattr(found, name), mean)
    medians = np.stack([f.q_NHQ[..., MIDDLE] for f in each])
    spread = np.sqrt(np.average((medians - found.q_NHQ[..., MIDDLE]) ** 2, 0, ensemble.weights))
    np.testing.assert_allclose(found.disagreement_NH, spread)
    assert (found.disagreement_NH > 0).all()
    variance = np.average([f.vol_NH**2 for f in each], 0, ensemble.weights)
    np.testing.assert_allclose(found.vol_NH**2, variance + spread**2)
    assert (np.diff(found.q_NHQ, axis=-1) >= 0).all()
    assert len(found.members) == 3


def test_a_saved_ensemble_loads_with_its_weights(trio, tmp_path):
    panel, rows, ensemble = trio
    ensemble.save(tmp_path)
    loaded = Ensemble.load(tmp_path)
    assert loaded.weights == ensemble.weights
    for a, b in zip(
        ensemble.predict(panel, rows)[:4], loaded.predict(panel, rows)[:4], strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_an_exchanged_member_is_noticed(trio, tmp_path):
    _, _, ensemble = trio
    ensemble.save(tmp_path)
    ensemble.members[0].save(tmp_path / "member-01")
    with pytest.raises(ValueError, match="not the one that was saved"):
        Ensemble.load(tmp_path)


@pytest.mark.parametrize("weights", [(1.0,), (0.7, 0.7), (1.5, -0.5)])
def test_weights_must_fit_the_members_and_sum_to_one(panel, split, weights):
    member = build_untrained(tiny("test-1"), panel, split(panel)[0])
    with pytest.raises(ValueError, match="weight"):
        Ensemble((member, member), weights)


def test_members_must_share_their_levels(panel, split):
    train, _ = split(panel)
    one = build_untrained(tiny("test-1"), panel, train)
    two = build_untrained(dataclasses.replace(tiny("test-1"), levels=(0.1, 0.5, 0.9)), panel, train)
    with pytest.raises(ValueError, match="differ in quantile levels"):
        Ensemble.equal([one, two])


def test_repeated_seeds_are_refused(panel, split):
    with pytest.raises(ValueError, match="distinct seeds"):
        fit_ensemble(tiny("test-1"), panel, *split(panel), seeds=[1, 1])
