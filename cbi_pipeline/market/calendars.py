"""Session calendars: on which days a commodity is expected to have a price.

A past session is a day that has a price. The calendars here say which days should have one: for
target dates that still lie ahead, and to check that a record is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache


@dataclass(frozen=True, slots=True)
class Calendar:
    """One calendar.

    Attributes:
        name: name used in the catalogue.
        words: the rule as a sentence.
        is_session: whether a day should have a price.
        ready_after: one-session returns that must be known before a variance is trusted.
    """

    name: str
    words: str
    is_session: Callable[[date], bool]
    ready_after: int


def calendar_names() -> tuple[str, ...]:
    """Every calendar there is."""
    return tuple(CALENDARS)


def calendar(name: str) -> Calendar:
    """The calendar of that name.

    Raises:
        ValueError: no such calendar; the message lists those there are.
    """
    if name not in CALENDARS:
        names = ", ".join(CALENDARS)
        raise ValueError(f"no calendar {name!r}; calendars: {names}. Correct the catalogue")
    return CALENDARS[name]


def sessions(name: str, start: date, end: date) -> list[date]:
    """Sessions of a calendar from ``start`` to ``end``, both included.

    Raises:
        ValueError: no such calendar.
    """
    is_session = calendar(name).is_session
    days = (start + timedelta(days=offset) for offset in range((end - start).days + 1))
    return [day for day in days if is_session(day)]


def next_sessions(name: str, after: date, count: int) -> list[date]:
    """The ``count`` sessions that follow ``after``, nearest first.

    Raises:
        ValueError: no such calendar.
    """
    is_session, day = calendar(name).is_session, after
    days: list[date] = []
    while len(days) < count:
        day += timedelta(days=1)
        if is_session(day):
            days.append(day)
    return days


@cache
def _exchange_holidays(exchange: str, century: int) -> frozenset[date]:
    # pandas takes a second to load, and most commands look at no holiday.
    import pandas_market_calendars

    # Asking for a hundred years takes as long as asking for one.
    rules = pandas_market_calendars.get_calendar(exchange).regular_holidays
    days = rules.holidays(f"{century}00-01-01", f"{century}99-12-31")
    return frozenset(day.date() for day in days)


def _is_spot_session(day: date) -> bool:
    """A weekday that is no holiday by the New York Stock Exchange's standing rules.

    Measured against the 8,321 WTI sessions from 1986-01-02 to 2019-01-03: the rule and the record
    agree on 99.41 % of the 8,611 weekdays (30 expected days without a price, 21 prices on a
    holiday), since 2007 on 99.87 %. With the exchange's extraordinary closures, which nobody
    knows ahead, it is 99.31 %; the CME crude calendar, which is open on Thanksgiving and the
    like, agrees on 97.58 %, the bond market's on 98.58 %. The 7,436 Henry Hub prices from
    1997-01-07 to 2026-08-18 agree with it on 99.15 %, since 2018 on 99.33 %: no other calendar of
    an exchange fits them as well.
    """
    return day.weekday() < 5 and day not in _exchange_holidays("NYSE", day.year // 100)


def _is_london_session(day: date) -> bool:
    """A weekday that is no holiday by the London Stock Exchange's standing rules.

    Measured against the 9,958 Brent prices from 1987-05-20 to 2026-08-18: since 2018 the rule and
    the record agree on 99.42 % of the weekdays (6 expected days without a price, 7 prices on a
    holiday); the New York rule agrees on 96.27 %, the bond markets' of London on 96.49 %, ICE
    Europe's futures, which trade on British bank holidays, on 98.09 %. From 2007 to 2014 the
    record kept New York's holidays beside some of London's: over all years the London rule agrees
    on 98.38 %, and no year since 1998 lacks more than 2.8 % of its expected days.
    """
    return day.weekday() < 5 and day not in _exchange_holidays("LSE", day.year // 100)


def _is_monday(day: date) -> bool:
    return day.weekday() == 0


CALENDARS: dict[str, Calendar] = {
    entry.name: entry
    for entry in (
        Calendar(
            name="eia_spot_daily",
            words="Weekdays that are no holiday of the New York Stock Exchange.",
            is_session=_is_spot_session,
            ready_after=260,
        ),
        Calendar(
            name="london_spot_daily",
            words="Weekdays that are no holiday of the London Stock Exchange.",
            is_session=_is_london_session,
            ready_after=260,
        ),
        Calendar(
            name="eia_retail_weekly",
            words="Every Monday, holidays included.",
            is_session=_is_monday,
            ready_after=104,
        ),
    )
}
