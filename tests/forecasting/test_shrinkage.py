"""What was learned is used only where it helps: a share per commodity and horizon."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cbi_pipeline.forecasting import build_untrained, fit
from tests.recipes import tiny

SHARES = (0.0, 0.5, 1.0)


def recipe(**changes):
    return tiny("test-1").with_training(shrinkage=SHARES, max_epochs=2, patience=2, **changes)


def test_a_cell_without_a_share_forecasts_the_prior(make_panel, split):
    panel = make_panel(signal=0.8)
    train, validation = split(panel)
    forecaster = fit(recipe(), panel, train, validation).forecaster
    forecaster.network.shrinkage_CH[0] = 0.0
    prior = build_untrained(recipe(), panel, train)
    rows = validation[panel.commodity_R[validation].numpy() == 0]
    np.testing.assert_array_equal(
        forecaster.predict(panel, rows).q_NHQ, prior.predict(panel, rows).q_NHQ
    )


def test_where_a_signal_is_learned_it_is_used(make_panel, split):
    panel = make_panel({"daily": 1500, "weekly": 400}, signal=1.0, missing=0.0)
    train, validation = split(panel)
    result = fit(recipe(), panel, train, validation)
    assert (result.forecaster.network.shrinkage_CH > 0).all()


def test_more_shares_to_choose_from_never_validate_worse_than_the_prior(panel, split):
    train, validation = split(panel)
    curve = fit(recipe(), panel, train, validation).curve
    for record in curve:
        for line, start in zip(record.validation_CH, curve[0].validation_CH, strict=True):
            assert all(loss <= before for loss, before in zip(line, start, strict=True))


def test_the_chosen_shares_are_saved_with_the_model_under_their_first_name(
    make_panel, split, tmp_path
):
    panel = make_panel(signal=0.8)
    train, validation = split(panel)
    forecaster = fit(recipe(), panel, train, validation).forecaster
    forecaster.save(tmp_path / "model")
    loaded = type(forecaster).load(tmp_path / "model")
    assert torch.equal(loaded.network.shrinkage_CH, forecaster.network.shrinkage_CH)
    saved = load_file(tmp_path / "model" / "weights.safetensors")
    assert torch.equal(saved["trust_CH"], forecaster.network.shrinkage_CH)
    assert "shrinkage_CH" not in saved


def test_shares_outside_zero_and_one_are_refused():
    with pytest.raises(ValueError, match=r"TrainingConfig.shrinkage"):
        tiny("test-1").with_training(shrinkage=(0.0, 1.5))
