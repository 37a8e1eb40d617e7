"""One formula, three libraries: training in torch, evidence in numpy, issued scores in polars."""

import numpy as np
import polars as pl
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cbi_pipeline.evaluation.losses import pinball
from cbi_pipeline.forecasting.losses import distribution
from cbi_pipeline.issued.scoring import pinball_loss

RETURNS = st.floats(-2.0, 2.0)
LEVELS = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5, unique=True).map(sorted)


@st.composite
def forecasts(draw):
    """Outcomes [N], quantiles [N, Q] and levels [Q]."""
    levels = np.array(draw(LEVELS))
    actual = draw(arrays(np.float64, st.integers(1, 6), elements=RETURNS))
    shape = (len(actual), len(levels))
    return actual, draw(arrays(np.float64, shape, elements=RETURNS)), levels


@given(forecasts())
def test_numpy_torch_and_polars_say_the_same(given):
    actual, quantiles, levels = given
    by_level = pinball(quantiles, levels, actual)

    mean = distribution.pinball(*map(torch.from_numpy, (quantiles, actual, levels)))
    np.testing.assert_allclose(mean.numpy(), by_level.mean(axis=1), rtol=1e-12, atol=1e-15)

    count, width = quantiles.shape
    rows = pl.DataFrame(
        {
            "actual": np.repeat(actual, width),
            "value": quantiles.ravel(),
            "quantile": np.tile(levels, count),
        }
    )
    scored = rows.select(pinball_loss()).to_series().to_numpy()
    np.testing.assert_array_equal(scored, by_level.ravel())
