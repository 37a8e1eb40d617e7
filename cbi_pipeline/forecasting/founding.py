"""What the founding model says: the prior itself, which nothing has to be learned for."""

import numpy as np
from numpy.typing import NDArray

from cbi_pipeline.forecasting import student
from cbi_pipeline.forecasting.forecaster import Forecasts
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.prior import one_session_variance


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
