"""Forecasts of now, moved by the calibration that a version registered now would carry."""

import numpy as np
import polars as pl

from cbi_pipeline.evaluation import fit_calibration
from cbi_pipeline.forecasting import Forecasts


def calibrate_newest(newest, past, targets):
    """Rows of ``evaluation.forecast`` of one instant, each commodity and horizon calibrated."""
    calibration = fit_calibration(past, targets, newest["as_of"].max())
    frames = []
    for (name, step), part in newest.group_by("commodity", "horizon", maintain_order=True):
        own = part.sort("quantile")
        figures = Forecasts(
            own["value"].to_numpy().reshape(1, 1, -1),
            own["up"].to_numpy()[:1].reshape(1, 1),
            own["volatility"].to_numpy()[:1].reshape(1, 1),
        )
        moved = calibration.apply(figures, own["quantile"].to_list(), [name], [[step]])
        frames.append(
            own.with_columns(
                value=pl.Series(np.asarray(moved.q_NHQ).ravel()),
                up=pl.lit(float(moved.up_NH[0, 0])),
                volatility=pl.lit(float(moved.vol_NH[0, 0])),
            )
        )
    return pl.concat(frames)
