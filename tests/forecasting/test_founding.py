"""The founding model is the prior: an untrained anchored network without the network."""

import dataclasses

import numpy as np
import torch

from cbi_pipeline.forecasting import DEFAULT_LEVELS, anchored_untrained, forecast_prior, untrained


def test_it_says_what_the_untrained_anchored_network_says(panel):
    ready = np.flatnonzero(panel.ready_R.numpy())
    network = untrained(anchored_untrained(panel.spec.feature_set), panel, ready)
    rows = ready[-40:]
    for mine, theirs in zip(
        forecast_prior(panel, rows, DEFAULT_LEVELS), network.predict(panel, rows), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)


def test_it_reads_no_feature(panel):
    rows = np.flatnonzero(panel.ready_R.numpy())[-5:]
    blind = dataclasses.replace(panel, mask_RF=torch.zeros_like(panel.mask_RF))
    one, other = (forecast_prior(given, rows, (0.1, 0.5, 0.9)) for given in (panel, blind))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert (one.q_NHQ[..., 1] == 0.0).all()
    assert (one.up_NH == 0.5).all()
