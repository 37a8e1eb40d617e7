"""A commodity's own price: returns, volatilities, distances, shape and season."""

from __future__ import annotations

from cbi_pipeline.features import expressions as e
from cbi_pipeline.features.expressions import Argument, Expression, Span, column_of
from cbi_pipeline.features.group import Column, Group, OwnSession
from cbi_pipeline.features.prices import ewma_variance, log_price, returns, sigma, volatility

_PRICE, _DAY = column_of(OwnSession(), "price"), column_of(OwnSession(), "session")
_LEVEL, _RETURN, _SIGMA = log_price(_PRICE), returns(_PRICE), sigma(_PRICE)
_SQUARE = e.square(_RETURN)


def _move(sessions: int) -> Expression:
    return e.scaled(e.change(_LEVEL, sessions), _SIGMA, sessions)


def _vol(sessions: Argument, least: Argument) -> Expression:
    return volatility(e.moving_mean(_SQUARE, sessions, least), _PRICE)


def _distance(sessions: Argument) -> Expression:
    return e.scaled(e.minus(_LEVEL, e.moving_mean(_LEVEL, sessions, sessions)), _SIGMA, sessions)


_BELOW_HIGH = e.scaled(e.minus(_LEVEL, e.moving_max(_LEVEL, Span.YEAR)), _SIGMA, Span.YEAR)
_IN_21 = e.moving_total(_SQUARE, 21, 11)
_DOWNSIDE = e.minus(e.ratio(e.moving_sum(e.falls(_RETURN), 21), _IN_21), 0.5)
_LARGEST = e.ratio(e.moving_max(_SQUARE, 21), _IN_21)

GROUP = Group(
    name="own_price",
    words="The commodity's own price, in units of its own volatility",
    age="own",
    columns=(
        Column("return_1", "sigma", _move(1), "move over a session"),
        Column("return_2", "sigma", _move(2), "move over 2 sessions"),
        Column("return_3", "sigma", _move(3), "move over 3 sessions"),
        Column("return_5", "sigma", _move(5), "move over 5 sessions"),
        Column("return_10", "sigma", _move(10), "move over 10 sessions"),
        Column("return_21", "sigma", _move(21), "move over 21 sessions"),
        Column("return_63", "sigma", _move(63), "move over 63 sessions"),
        Column("vol_1", "log", _vol(1, 1), "size of the newest move"),
        Column("vol_5", "log", _vol(5, 3), "volatility of 5 sessions"),
        Column("vol_21", "log", _vol(21, 11), "volatility of 21 sessions"),
        Column("vol_63", "log", _vol(63, 32), "volatility of 63 sessions"),
        Column("vol_year", "log", _vol(Span.YEAR, Span.HALF_YEAR), "volatility of a year"),
        Column("vol_ewma", "log", volatility(ewma_variance(_PRICE), _PRICE), "fading volatility"),
        Column("distance_21", "sigma", _distance(21), "from the mean price of 21 sessions"),
        Column("distance_63", "sigma", _distance(63), "from the mean price of 63 sessions"),
        Column("distance_year", "sigma", _distance(Span.YEAR), "from the mean price of a year"),
        Column("drawdown_year", "sigma", _BELOW_HIGH, "from the highest price of a year"),
        Column("downside_21", "1", _DOWNSIDE, "share of falls in the squares, less a half"),
        Column("largest_21", "1", _LARGEST, "share of the largest move in the squares"),
        Column("season_sin_1", "1", e.sine(_DAY, 1), "place in the year"),
        Column("season_cos_1", "1", e.cosine(_DAY, 1), "place in the year"),
        Column("season_sin_2", "1", e.sine(_DAY, 2), "place in the half year"),
        Column("season_cos_2", "1", e.cosine(_DAY, 2), "place in the half year"),
    ),
)
