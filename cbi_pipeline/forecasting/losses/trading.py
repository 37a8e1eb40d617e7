"""A Sharpe-type loss: what a bounded position in the forecast would have earned, after cost."""

from torch import Tensor, tanh

VARIANCE_FLOOR = 0.01
"""Added to the variance of profit, in squared prior units: a flat position earns a ratio of 0."""


def sharpe(forecast: Tensor, actual: Tensor, weight: Tensor, cost: float = 0.02) -> Tensor:
    """Negative mean over deviation of tanh(forecast) * actual - cost * |tanh(forecast)|; a scalar.

    Returns and cost are in the prior's unit per horizon; the statistics run over all entries
    with their weights. Positions earn realised returns only, so a constant added to the forecast
    earns the market's drift and nothing else. Returns on futures are in excess of the risk-free
    rate already (Sharpe, 1994).
    """
    position = tanh(forecast)
    weight = weight / weight.sum().clamp(min=1e-9)
    profit = position * actual - cost * position.abs()
    mean = (profit * weight).sum()
    variance = ((profit - mean).square() * weight).sum()
    return -mean / (variance + VARIANCE_FLOOR).sqrt()
