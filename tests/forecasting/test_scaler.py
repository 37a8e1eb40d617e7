import numpy as np
import pytest
import torch

from cbi_pipeline.forecasting import Panel
from cbi_pipeline.forecasting.scaler import Scaler, fit_moments


def test_moments_equal_numpy_over_present_values_of_the_given_rows(panel):
    rows = torch.arange(20, 300)
    moments = fit_moments(panel, rows)
    for f in range(panel.values_RF.shape[1]):
        values = panel.values_RF[rows, f].double().numpy()[panel.mask_RF[rows, f].numpy()]
        np.testing.assert_allclose(float(moments.mean_F[f]), values.mean(), rtol=1e-5)
        np.testing.assert_allclose(float(moments.inverse_F[f]), 1 / values.std(), rtol=1e-5)


def test_rows_outside_the_training_rows_never_move_the_scaler(make_arrays):
    spec, content = make_arrays({"daily": 100})
    before = fit_moments(Panel.from_numpy(spec, **content), torch.arange(60))
    content["values_RF"][60:] = 1e6
    content["mask_RF"][60:] = True
    after = fit_moments(Panel.from_numpy(spec, **content), torch.arange(60))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_feature_that_never_varies_is_named_with_the_remedy(make_arrays):
    spec, content = make_arrays({"daily": 60}, missing=0.0)
    content["values_RF"][:, 2] = 12345.678
    with pytest.raises(ValueError, match=r"\['f2'\] have zero variance.*drop them"):
        fit_moments(Panel.from_numpy(spec, **content), torch.arange(40))


def test_a_feature_training_never_saw_is_ignored_later(make_arrays):
    spec, content = make_arrays({"daily": 60})
    content["mask_RF"][:40, 2] = False
    content["values_RF"][:40, 2] = 0
    content["values_RF"][40:, 2] = 777.0
    panel = Panel.from_numpy(spec, **content)
    scaler = Scaler(3, 2).load(fit_moments(panel, torch.arange(40)))
    x = scaler(panel.values_RF[50:], panel.mask_RF[50:], panel.age_RG[50:])
    assert torch.all(x[:, 2] == 0)
    assert x.shape == (10, 8)


def test_absent_values_are_zero_after_scaling(panel):
    scaler = Scaler(3, 2).load(fit_moments(panel, torch.arange(100)))
    x = scaler(panel.values_RF, panel.mask_RF, panel.age_RG)
    assert torch.all(x[:, :3][~panel.mask_RF] == 0)
    assert torch.equal(x[:, 3:6].bool(), panel.mask_RF)


def test_a_wild_value_cannot_leave_ten_standard_deviations(panel):
    scaler = Scaler(3, 2).load(fit_moments(panel, torch.arange(100)))
    x = scaler(torch.full((1, 3), 1e9), torch.ones(1, 3, dtype=torch.bool), torch.zeros(1, 2))
    assert float(x.abs().max()) <= 10.0
