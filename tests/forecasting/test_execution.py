import dataclasses

import numpy as np
import pytest
import torch

from cbi_pipeline.forecasting import build_untrained, fit
from cbi_pipeline.forecasting.execution import measure
from cbi_pipeline.forecasting.networks.mlp import MlpConfig
from tests.recipes import tiny


def recipe(**training):
    base = dataclasses.replace(tiny("test-1"), network=MlpConfig(hidden=8, dropout=0.0))
    return base.with_training(
        **{"batch_size": 64, "max_epochs": 2, "shrinkage": (1.0,), **training}
    )


def test_every_way_is_timed_and_the_fastest_comes_first(panel, split):
    train, _ = split(panel)
    found = measure(recipe(), panel, train, compiles=("off",), steps=3)
    assert {e.precision for e in found} == {"float32", "bfloat16"}
    assert found[0].windows_per_second >= found[1].windows_per_second > 0
    chosen = found[0].apply(recipe())
    assert chosen.training.precision == found[0].precision


def test_bfloat16_trains_close_to_float32_and_untrained_is_still_the_prior(make_panel, split):
    panel = make_panel(signal=0.8)
    train, validation = split(panel)
    full = fit(recipe(), panel, train, validation)
    half = fit(recipe(precision="bfloat16"), panel, train, validation)
    assert half.curve[0].validation_loss == full.curve[0].validation_loss
    assert half.curve[2].train_loss == pytest.approx(full.curve[2].train_loss, rel=0.02)
    forecasts = half.forecaster.predict(panel, validation)
    assert np.isfinite(forecasts.q_NHQ).all()


@pytest.mark.slow
def test_a_compiled_network_trains_to_the_same_losses(panel, split):
    train, validation = split(panel)
    plain = fit(recipe(), panel, train, validation)
    compiled = fit(recipe(compile="default"), panel, train, validation)
    for a, b in zip(plain.curve[1:], compiled.curve[1:], strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-4)
    loaded = build_untrained(recipe(compile="default"), panel, train)
    assert not any("_orig_mod" in name for name in loaded.network.state_dict())
    torch._dynamo.reset()
