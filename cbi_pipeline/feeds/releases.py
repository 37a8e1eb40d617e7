"""When the periods of a family became public by its contract's rule."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache

from data_contracts.families import family

# A year outside is a typing error, and its release would leave the calendar.
_YEARS = range(1800, 9000)


@lru_cache(maxsize=65536)
def date_release(name: str, period: date) -> datetime | None:
    """The release of a period; None where the family has no rule, or the year is none.

    Raises:
        KeyError: no such family.
    """
    release = family(name).release
    return release.rule(period) if release and period.year in _YEARS else None
