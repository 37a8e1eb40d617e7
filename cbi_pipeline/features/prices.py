"""Formulas that the price groups share, in units of a price's own volatility.

Counting in sessions and dividing by the volatility known so far makes a daily crude price and a
weekly pump price comparable, so that one network can learn from both.
"""

from __future__ import annotations

from cbi_pipeline.features import expressions as e
from cbi_pipeline.features.expressions import Expression, column_of, label_formula
from cbi_pipeline.features.group import OwnSession

DECAY = 0.97
LEAST_RETURNS = 20


def log_price(price: Expression) -> Expression:
    """Log of the price; absent where it is not positive."""
    return label_formula("log price", e.log(price))


def returns(price: Expression) -> Expression:
    """Log return from the session before; absent unless both prices are positive."""
    return label_formula("return", e.change(log_price(price), 1))


def sigma(price: Expression) -> Expression:
    """Volatility unit: root of the mean squared return so far; absent until it means something."""
    return label_formula("sigma", e.root(e.expanding_mean(e.square(returns(price)), LEAST_RETURNS)))


def ewma_variance(price: Expression) -> Expression:
    """Exponentially weighted mean of the squared returns so far."""
    return e.exponential_mean(e.square(returns(price)), DECAY)


def volatility(variance: Expression, price: Expression) -> Expression:
    """Log of a volatility over the long-run one, floored where the price stood still."""
    return e.log_volatility(variance, e.square(sigma(price)))


_OWN = column_of(OwnSession(), "price")

#: What every row says beside its columns: short and long variance, and the returns behind them.
HISTORY = (
    ewma_variance(_OWN),
    e.expanding_mean(e.square(returns(_OWN)), 1),
    e.count(returns(_OWN)),
)
