"""Losses of a whole distribution: quantiles, likelihoods and variance.

Returns and scales are in one common unit (here: the prior's scale).
"""

import math

import torch
from torch import Tensor

from cbi_pipeline.forecasting import student


def pinball(quantiles: Tensor, actual: Tensor, levels: Tensor) -> Tensor:
    """max(tau e, (tau - 1) e) with e = actual - quantile, averaged over the levels.

    Source: Koenker and Bassett, 1978. Shapes: [..., Q], [...], [Q] to [...]. Unit: that of the
    returns.

    Raises:
        ValueError: shapes do not match; nothing is broadcast.
    """
    if quantiles.shape != (*actual.shape, *levels.shape):
        raise ValueError(
            f"pinball: quantiles {tuple(quantiles.shape)} need actual of shape "
            f"{tuple(quantiles.shape[:-1])}, found {tuple(actual.shape)}"
        )
    error = actual[..., None] - quantiles
    return torch.maximum(levels * error, (levels - 1.0) * error).mean(dim=-1)


def gaussian(mean: Tensor, deviation: Tensor, actual: Tensor) -> Tensor:
    """Negative log density of a normal: log(2 pi) / 2 + log s + ((y - m) / s)^2 / 2, in nats."""
    z = (actual - mean) / deviation
    return 0.5 * math.log(2.0 * math.pi) + deviation.log() + 0.5 * z.square()


def student_t(mean: Tensor, deviation: Tensor, actual: Tensor) -> Tensor:
    """Negative log density of the prior's Student-t, given its deviation; in nats."""
    return deviation.log() - student.log_density((actual - mean) / deviation)


def qlike(deviation: Tensor, realised_variance: Tensor) -> Tensor:
    """Log v + r / v for forecast variance v = deviation^2 and realised variance r; no unit.

    The quasi-likelihood loss (Patton, 2011) less the terms free of the forecast, so that a
    realised variance of zero is allowed. Its minimiser is the mean of r, also for a noisy proxy
    such as the squared return.
    """
    variance = deviation.square()
    return variance.log() + realised_variance / variance
