"""When values of a person's own history become public, as that person says it in words.

"next business day 18:00 America/New_York" is a date after each period, an hour and a zone. Business
days are Monday to Friday: which of them are holidays there, nobody said.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_RULE = re.compile(
    r"(?P<day>.+?)\s+(?P<hour>\d{1,2}):(?P<minute>\d{2})\s+(?P<zone>\S+)", re.IGNORECASE
)
_LATER = re.compile(r"(\d{1,3}) (business )?days? later")
_OF_MONTH = re.compile(r"day (\d{1,2}) of next month")
EXAMPLES = (
    '"same day 17:30 Europe/London", "next day 09:00 UTC", "next business day 18:00 '
    'America/New_York", "3 business days later 15:30 America/New_York", "next wednesday 10:30 '
    'America/New_York", "day 5 of next month 12:00 UTC"'
)


@dataclass(frozen=True, slots=True)
class StatedRelease:
    """A release rule in words, taken apart.

    Attributes:
        words: the rule as it was stated.
        find_day: period to the day of its release.
        clock: hour of that day.
        zone: where that hour is meant.
    """

    words: str
    find_day: Callable[[date], date]
    clock: time
    zone: ZoneInfo

    def date_period(self, period: date) -> datetime | None:
        """When a period became public, in UTC; None of a day beyond the calendar."""
        try:
            day = self.find_day(period)
            return datetime.combine(day, self.clock, self.zone).astimezone(UTC)
        except (OverflowError, ValueError):
            return None


@lru_cache(maxsize=16)
def read_release(words: str) -> StatedRelease:
    """A release rule out of its words.

    Raises:
        ValueError: they are none; shows what can be said.
    """
    match = _RULE.fullmatch(" ".join(words.split()))
    if match is None:
        raise ValueError(f"release {words!r} is no day, hour and zone; say it as {EXAMPLES}")
    hour, minute, zone = int(match["hour"]), int(match["minute"]), match["zone"]
    if hour > 23 or minute > 59:
        raise ValueError(f"release {words!r}: {hour}:{minute:02} is no hour of a day")
    if zone not in available_timezones():
        raise ValueError(f"release {words!r}: no time zone {zone!r}, such as America/New_York")
    find_day = _read_day(match["day"].lower())
    if find_day is None:
        raise ValueError(f"release {words!r}: {match['day']!r} is no day; say it as {EXAMPLES}")
    return StatedRelease(" ".join(words.split()), find_day, time(hour, minute), ZoneInfo(zone))


def _read_day(words: str) -> Callable[[date], date] | None:
    if words == "same day":
        return lambda period: period
    if words in ("next day", "next business day"):
        words = words.replace("next", "1").replace("day", "day later")
    if match := _LATER.fullmatch(words):
        number, business = int(match[1]), match[2] is not None
        if business:
            return lambda period: _add_business_days(period, number)
        return lambda period: period + timedelta(days=number)
    if words.removeprefix("next ") in _WEEK and words.startswith("next "):
        weekday = _WEEK.index(words.removeprefix("next "))
        return lambda period: period + timedelta(days=(weekday - period.weekday() - 1) % 7 + 1)
    if (match := _OF_MONTH.fullmatch(words)) and 1 <= int(match[1]) <= 28:
        number = int(match[1])
        return lambda period: (period.replace(day=1) + timedelta(days=32)).replace(day=number)
    return None


def _add_business_days(day: date, number: int) -> date:
    for _ in range(number):
        day += timedelta(days=1)
        while day.weekday() >= 5:
            day += timedelta(days=1)
    return day
