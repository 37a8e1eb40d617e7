"""Losses of direction: up or down from the last price, in returns, never between neighbours."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

SUREST = 1e-6
"""Probabilities are read as if at least this far from 0 and 1."""


def direction(up: Tensor, actual: Tensor) -> Tensor:
    """Cross-entropy of the probability `up` that the return is positive, in nats.

    A return of exactly zero is neither: its label is one half. Shapes equal.
    """
    label = 0.5 * (1.0 + torch.sign(actual))
    # The library's own function aborts the process on a NaN; here a NaN must stay a NaN.
    up = up.clamp(SUREST, 1.0 - SUREST)
    return -(label * up.log() + (1.0 - label) * (-up).log1p())


def directional(
    forecast: Tensor, actual: Tensor, *, alpha: float = 0.5, sharpness: float = 2.0
) -> Tensor:
    """(1 - alpha) e^2 + alpha d: `alpha` is the weight of the direction part d.

    d = softplus(-sharpness * forecast * sign(actual)) / log 2 is a smooth count of wrong
    directions: 1 for no opinion, towards 0 for a confident right one, with a gradient wherever
    the return is not exactly zero. Forecast and actual are returns from the last price in the
    prior's unit; shapes equal.

    Raises:
        ValueError: alpha is outside [0, 1].
    """
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"directional: alpha {alpha} is outside [0, 1]")
    wrong = softplus(-sharpness * forecast * torch.sign(actual)) / math.log(2.0)
    return (1.0 - alpha) * (forecast - actual).square() + alpha * wrong
