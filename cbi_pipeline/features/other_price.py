"""Features of the other price a commodity is tied to, as its own release made it known."""

from __future__ import annotations

import numpy as np

from cbi_pipeline.features import transforms as t
from cbi_pipeline.features.feature_set import Feature
from cbi_pipeline.features.known import Floats, Ints, Transform
from cbi_pipeline.features.own_price import (
    DECAY,
    log_volatility,
    one_session_returns,
    volatility_unit,
)

OTHER_PRICE = (
    Feature(
        "other_return_week",
        "log return of the other price over its newest week / (its sigma * sqrt(sessions))",
        "sigma",
    ),
    Feature(
        "other_return_month",
        "log return of the other price over its newest month / (its sigma * sqrt(sessions))",
        "sigma",
    ),
    Feature(
        "other_vol_ewma", f"log of the other price's EWMA({DECAY}) volatility / its sigma", "log"
    ),
)
MARGIN = (
    Feature(
        "margin",
        "z-score of log price - log other price, each as known at its row's decision, over all "
        "rows so far",
        "standard deviation",
    ),
)


def other_price(year: int) -> Transform:
    """Transform of the other price to the columns of ``OTHER_PRICE``.

    Args:
        year: the other commodity's sessions in an ordinary year.
    """
    week, month = round(year / 52), round(year / 12)

    def transform(_: Ints, price: Floats) -> Floats:
        level, returns = t.log(price), one_session_returns(price)
        sigma = volatility_unit(returns)
        moves = [t.ratio(t.change(level, n), sigma * np.sqrt(n)) for n in (week, month)]
        ewma = log_volatility(t.exponential_mean(returns**2, DECAY), sigma**2)
        return np.column_stack([*moves, ewma])

    return transform


def margin(least: int) -> Transform:
    """Transform of a margin to its z-score over the rows so far.

    Args:
        least: rows needed before the spread of the margin means something.
    """

    def transform(_: Ints, gap: Floats) -> Floats:
        distance = gap - t.first_present(gap) - t.expanding_mean(gap - t.first_present(gap), least)
        return t.ratio(distance, t.expanding_deviation(gap, least))[:, None]

    return transform
