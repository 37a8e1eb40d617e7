"""Features of a commodity's own price, in units of its own volatility.

Counting in sessions and dividing by the volatility known so far makes a daily crude price and a
weekly pump price comparable, so that one network can learn from both.
"""

from __future__ import annotations

import numpy as np

from cbi_pipeline.features import transforms as t
from cbi_pipeline.features.feature_set import Columns, Feature
from cbi_pipeline.features.known import Floats, Ints, Transform

DECAY = 0.97
LEAST_RETURNS = 20
QUIET = 0.01
"""Floor of a variance relative to the long-run one: flat pump prices are quiet, not void."""

_RETURNS = (1, 2, 3, 5, 10, 21, 63)
_VOLATILITIES = (5, 21, 63)
_DISTANCES = (21, 63)

OWN_PRICE = (
    *(
        Feature(
            f"return_{n}",
            f"log return over {n} sessions / (sigma * sqrt({n})); sigma = root of the mean squared "
            "one-session log return so far",
            "sigma",
        )
        for n in _RETURNS
    ),
    *(
        Feature(f"vol_{n}", f"log of {n}-session realised volatility / sigma", "log")
        for n in (1, *_VOLATILITIES, "year")
    ),
    Feature("vol_ewma", f"log of EWMA({DECAY}) volatility / sigma", "log"),
    *(
        Feature(
            f"distance_{n}",
            f"(log price - its {n}-session mean) / (sigma * sqrt(sessions))",
            "sigma",
        )
        for n in (*_DISTANCES, "year")
    ),
    Feature(
        "drawdown_year", "(log price - its highest in a year) / (sigma * sqrt(sessions))", "sigma"
    ),
    Feature("downside_21", "share of falls in 21 sessions' squared returns, minus one half", "1"),
    Feature("largest_21", "share of the largest in 21 sessions' squared returns", "1"),
    Feature("season_sin_1", "sin of the session's place in the year", "1"),
    Feature("season_cos_1", "cos of the session's place in the year", "1"),
    Feature("season_sin_2", "sin of twice the session's place in the year", "1"),
    Feature("season_cos_2", "cos of twice the session's place in the year", "1"),
)
OWN_NAMES = tuple(feature.name for feature in OWN_PRICE)
VARIANCE_NAMES = ("variance_ewma", "variance_long", "returns_known")


def own_price(year: int) -> Transform:
    """Transform of a price to the columns of ``OWN_NAMES`` then ``VARIANCE_NAMES``.

    Args:
        year: the commodity's sessions in an ordinary year.
    """

    def transform(session: Ints, price: Floats) -> Floats:
        columns = _columns(session, price, year)
        return np.column_stack([columns[name] for name in (*OWN_NAMES, *VARIANCE_NAMES)])

    return transform


def one_session_returns(price: Floats) -> Floats:
    """Log return from the session before; NaN unless both prices are positive."""
    return t.change(t.log(price), 1)


def volatility_unit(returns: Floats) -> Floats:
    """sigma: root of the mean squared one-session return so far; NaN until it means something."""
    return np.sqrt(t.expanding_mean(returns**2, LEAST_RETURNS))


def log_volatility(variance: Floats, long_run: Floats) -> Floats:
    """Log of a volatility over the long-run one, floored where the price stood still."""
    return 0.5 * t.log(t.ratio(np.maximum(variance, QUIET * long_run), long_run))


def _columns(session: Ints, price: Floats, year: int) -> Columns:
    level, returns = t.log(price), one_session_returns(price)
    sigma = volatility_unit(returns)
    return {
        **{f"return_{n}": _scaled(t.change(level, n), sigma, n) for n in _RETURNS},
        **_volatilities(returns, sigma, year),
        **_positions(level, sigma, year),
        **_shape(returns),
        **_season(session),
        "variance_ewma": t.exponential_mean(returns**2, DECAY),
        "variance_long": t.expanding_mean(returns**2, 1),
        "returns_known": np.cumsum(~np.isnan(returns)).astype(np.float64),
    }


def _scaled(move: Floats, sigma: Floats, steps: int) -> Floats:
    return t.ratio(move, sigma * np.sqrt(steps))


def _volatilities(returns: Floats, sigma: Floats, year: int) -> Columns:
    square, long_run = returns**2, sigma**2
    spans = {"1": 1, **{str(n): n for n in _VOLATILITIES}, "year": year}
    realised = {
        f"vol_{name}": log_volatility(t.moving_mean(square, n, (n + 1) // 2), long_run)
        for name, n in spans.items()
    }
    return {**realised, "vol_ewma": log_volatility(t.exponential_mean(square, DECAY), long_run)}


def _positions(level: Floats, sigma: Floats, year: int) -> Columns:
    spans = {**{str(n): n for n in _DISTANCES}, "year": year}
    distances = {
        f"distance_{name}": _scaled(level - t.moving_mean(level, n, n), sigma, n)
        for name, n in spans.items()
    }
    return {
        **distances,
        "drawdown_year": _scaled(level - t.moving_max(level, year), sigma, year),
    }


def _shape(returns: Floats) -> Columns:
    square = returns**2
    falls = np.where(returns < 0, square, 0.0)
    total, count = t.moving_sum(square, 21)
    total = np.where(count >= 11, total, 0.0)
    return {
        "downside_21": t.ratio(t.moving_sum(falls, 21)[0], total) - 0.5,
        "largest_21": t.ratio(t.moving_max(square, 21), total),
    }


def _season(session: Ints) -> Columns:
    days = session.astype("datetime64[D]")
    place = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
    angle = 2 * np.pi * place / 365.25
    return {
        "season_sin_1": np.sin(angle),
        "season_cos_1": np.cos(angle),
        "season_sin_2": np.sin(2 * angle),
        "season_cos_2": np.cos(2 * angle),
    }
