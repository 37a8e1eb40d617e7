"""The founding model: an untrained network, and the prior itself, which it says word for word."""

import numpy as np
from numpy.typing import NDArray

from cbi_pipeline.forecasting import student
from cbi_pipeline.forecasting.models.model import Forecasts
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig
from cbi_pipeline.forecasting.optimisers import OptimiserConfig
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.prior import one_session_variance
from cbi_pipeline.forecasting.recipe import Recipe, TrainingConfig


def anchored_untrained(feature_set: str) -> Recipe:
    """A network that is never trained: it is the prior. The first champion, with no skill."""
    return Recipe(
        name="anchored_untrained",
        feature_set=feature_set,
        window=32,
        network=RecurrentConfig(cell="gru", hidden=16),
        training=TrainingConfig(
            batch_size=256,
            max_epochs=0,
            patience=3,
            optimiser=OptimiserConfig(rate=1e-3, decay=0.05),
            shrinkage=(0.0, 0.25, 0.5, 0.75, 1.0),
        ),
    )


def forecast_prior(panel: Panel, rows_N: NDArray[np.int64], levels: tuple[float, ...]) -> Forecasts:
    """The prior of each row, at the horizons of its commodity.

    Args:
        panel: any panel; its features are not read.
        rows_N: rows that are ready.
        levels: quantile levels, increasing.
    """
    variance_N = one_session_variance(panel.variance_R2.cpu().numpy()[rows_N].astype(np.float64))
    steps_NH = np.array(panel.spec.steps, dtype=np.float64)[panel.commodity_R.cpu().numpy()[rows_N]]
    vol_NH = np.sqrt(variance_N[:, None] * steps_NH)
    q_NHQ = vol_NH[..., None] * student.quantiles(levels).numpy()
    return Forecasts(q_NHQ, np.full(vol_NH.shape, 0.5), vol_NH)
