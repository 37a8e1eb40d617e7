"""Student-t with six degrees of freedom, scaled to unit variance.

With six degrees of freedom the distribution function is algebraic: Abramowitz and Stegun,
Handbook of Mathematical Functions, 26.7.4, with cos^2 = 6 / (6 + t^2).
"""

import math
from functools import cache

import torch
from torch import Tensor

DEGREES = 6.0
_UNIT = math.sqrt(DEGREES / (DEGREES - 2.0))


def cdf(z: Tensor) -> Tensor:
    """P(Z <= z) of the unit-variance distribution, differentiable; any shape."""
    t = z * _UNIT
    cos2 = DEGREES / (DEGREES + t.square())
    sin = t / (DEGREES + t.square()).sqrt()
    return 0.5 + 0.5 * sin * (1.0 + cos2 / 2.0 + 3.0 * cos2.square() / 8.0)


@cache
def quantile(level: float) -> float:
    """The z with cdf(z) = level, by bisection in float64 to the last bit that matters.

    Raises:
        ValueError: the level is outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"quantile level {level} is outside (0, 1)")
    if level < 0.5:
        return -quantile(1.0 - level)
    low, high = 0.0, 1e4
    while low < (middle := 0.5 * (low + high)) < high:
        below = float(cdf(torch.tensor(middle, dtype=torch.float64))) < level
        low, high = (middle, high) if below else (low, middle)
    return 0.0 if level == 0.5 else middle


def quantiles(levels: tuple[float, ...]) -> Tensor:
    """float64 [Q], the quantiles of the levels, antisymmetric about 0.5."""
    return torch.tensor([quantile(level) for level in levels], dtype=torch.float64)


def log_density(z: Tensor) -> Tensor:
    """Log density of the unit-variance distribution; any shape."""
    constant = math.lgamma(3.5) - math.lgamma(3.0) - 0.5 * math.log(6.0 * math.pi)
    return constant + math.log(_UNIT) - 3.5 * torch.log1p((z * _UNIT).square() / DEGREES)
