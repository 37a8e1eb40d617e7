"""Series on regular grids: one entry per week or month, whether it was published or not.

A period that was never published, or was withdrawn, stays a hole in its grid: changes across it
are absent, nothing is carried forward.
"""

from __future__ import annotations

import numpy as np

from cbi_pipeline.features.as_of_series import Floats, Ints

GRIDS = ("week", "month")


def place_on_grid(grid: str, period: Ints, value: Floats) -> tuple[Floats, Ints]:
    """The values on a grid without gaps, NaN where nothing is known, and the place of each.

    Args:
        grid: week, counted from Saturday to Friday, or month.
        period: int64 [n], days since 1970-01-01, ascending.
        value: float64 [n] or [n, k].

    Raises:
        ValueError: two periods fall into one week or month.
    """
    number = (period + 5) // 7 if grid == "week" else _month(period)
    cell = number - number[:1]
    if (np.diff(cell) < 1).any():
        raise ValueError("two periods of one series fall into one week or month; quarantine one")
    level = np.full((int(cell[-1]) + 1, *value.shape[1:]), np.nan)
    level[cell] = value
    return level, cell


def _month(day: Ints) -> Ints:
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
