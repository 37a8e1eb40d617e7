"""Formulas of a weekly quantity: how it moved, and how far it is from its season."""

from __future__ import annotations

from cbi_pipeline.features import expressions as e
from cbi_pipeline.features.expressions import Expression

FROM_USUAL = "against the same weeks of five years"


def change(level: Expression, weeks: int) -> Expression:
    """Relative change over some weeks."""
    return e.change(e.log(level), weeks)


def season(level: Expression) -> Expression:
    """Distance of the log level from its usual one in these weeks, in standard deviations."""
    return distance(e.log(level))


def distance(level: Expression) -> Expression:
    """Distance of a level from its usual one in these weeks, in standard deviations."""
    usual = e.seasonal_mean(level, 52, 5, 6)
    return e.ratio(e.minus(level, usual), e.moving_deviation(level, 260, 104))
