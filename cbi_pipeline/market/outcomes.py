"""What a forecast is about: the session that it names, and the one whose price it is judged by.

A forecast names its target session when it is made, from the standing holidays of the commodity's
calendar alone. Where the market turns out to have been shut on that day, the first session with a
price within a week takes its place; where there is none, the forecast has no outcome. Targets that
models are trained on, walk-forward scores and scores of what was issued all go by this rule.

Days are int64, counted from 1970-01-01.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from cbi_pipeline.market.calendars import calendar as find_calendar
from cbi_pipeline.market.calendars import sessions

Days = npt.NDArray[np.int64]

#: How long after the named session a price may still take its place.
GRACE_DAYS = 7

_EPOCH = date(1970, 1, 1)


def name_target_sessions(calendar: str, origins: Days, steps: int) -> Days:
    """The ``steps``-th session of a calendar after each origin, whether or not it was traded; [N].

    Args:
        calendar: name of the calendar.
        origins: [N], any days.
        steps: at least 1.

    Raises:
        ValueError: no such calendar.
    """
    if not origins.size:
        return origins.astype(np.int64)
    first = _EPOCH + timedelta(days=int(origins.min()))
    ahead = find_calendar(calendar).apart * (steps + 1)
    last = _EPOCH + timedelta(days=int(origins.max()) + ahead)
    days = np.array([(day - _EPOCH).days for day in sessions(calendar, first, last)], np.int64)
    named: Days = days[np.searchsorted(days, origins, side="right") + steps - 1]
    return named


def find_outcomes(named: Days, priced: Days) -> Days:
    """Which priced session each forecast is judged by; [N], -1 where there is none yet.

    Args:
        named: [N], target sessions as forecasts name them.
        priced: [P], sessions that have a price, ascending.
    """
    if not priced.size:
        return np.full(named.shape, -1, np.int64)
    row = np.minimum(np.searchsorted(priced, named), priced.size - 1)
    late = priced[row] - named
    return np.where((late >= 0) & (late <= GRACE_DAYS), row, -1)
