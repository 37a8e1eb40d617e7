"""When a period becomes public: the publishers' rules, in their own zone, converted to UTC once.

Agencies publish on working days of the federal government, so every rule looks at the days on
which its offices in Washington are shut. A rule is what a publisher announces, and the exceptions
that are on record; a report may have been late on other days, which is why values dated by these
rules say ``assumed``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EASTERN = "America/New_York"
MONDAY, WEDNESDAY = 0, 2

EXECUTIVE_CLOSURES = frozenset(
    {
        date(2001, 12, 24),
        date(2004, 6, 11),
        date(2007, 1, 2),
        date(2007, 12, 24),
        date(2012, 12, 24),
        date(2014, 12, 26),
        date(2018, 12, 5),
        date(2018, 12, 24),
        date(2019, 12, 24),
        date(2020, 12, 24),
        date(2024, 12, 24),
        date(2025, 1, 9),
        date(2025, 12, 24),
        date(2025, 12, 26),
    }
)
"""Whole days on which a president's order shut the offices: mourning, and days beside Christmas."""


#: Weeks of the petroleum status report that came out on another day than its rule says: a failure
#: of the agency's systems in June 2022 held one back until the next.
WPSR_PUBLISHED_LATE: dict[date, date] = {date(2022, 6, 17): date(2022, 6, 29)}


@dataclass(frozen=True, slots=True)
class ReleaseRule:
    """How a release instant follows from a date.

    Attributes:
        name: short name, stored with documentation.
        zone: zone in which the publisher states the time.
        words: the rule as a sentence.
        rule: date to release instant, aware, UTC.
    """

    name: str
    zone: str
    words: str
    rule: Callable[[date], datetime]


@lru_cache(maxsize=1024)
def us_federal_holidays(year: int) -> frozenset[date]:
    """Days of ``year`` on which a federal holiday is observed (5 U.S.C. 6103).

    A holiday on a Saturday is observed the Friday before, one on a Sunday the Monday after, so
    New Year's Day may be observed on 31 December of the year before.
    """
    # It takes a third of a second to load, and most commands date no release.
    import holidays

    observed = holidays.country_holidays("US", years=(year, year + 1))
    # A holiday on a Saturday or Sunday is listed beside the day on which it is observed.
    days = {day for day in observed if day.year == year and day.weekday() < 5}
    return frozenset(days | ({_third_monday_of_january(year)} if year < 1986 else set()))


def _third_monday_of_january(year: int) -> date:
    # A holiday since 1986. Reports of the years before were dated by it from the first, and stay
    # dated so: at most a working day too late, by a date that says that it is assumed.
    middle = date(year, 1, 15)
    return middle + timedelta(days=(MONDAY - middle.weekday()) % 7)


def is_closed(day: date) -> bool:
    """Whether federal offices in Washington are shut on ``day``."""
    return (
        day.weekday() >= 5
        or day in us_federal_holidays(day.year)
        or day in EXECUTIVE_CLOSURES
        or _is_inauguration(day)
    )


def _wpsr(week: date) -> datetime:
    """Status report for the week ending on the Friday ``week``."""
    scheduled = _weekly_report(_next_wednesday(week + timedelta(days=5)))
    return _at(WPSR_PUBLISHED_LATE.get(week, scheduled), time(10, 30))


def _spot(session: date) -> datetime:
    """First weekly posting at least two days after ``session``."""
    wednesday = _next_wednesday(session)
    while _weekly_report(wednesday) - session < timedelta(days=2):
        wednesday += timedelta(days=7)
    return _at(_weekly_report(wednesday), time(21, 30))


def _retail(monday: date) -> datetime:
    """Price survey of ``monday``."""
    return _at(_open_day(monday), time(17, 0))


def _issue(published: date) -> datetime:
    """Issue dated ``published``, whose hour is unknown."""
    return _at(published, time(23, 59))


def _weekly_report(wednesday: date) -> date:
    """The day a Wednesday report appears: each shut day from Monday on costs a working day."""
    week = [wednesday - timedelta(days=back) for back in (2, 1, 0)]
    shut = [day for day in week if is_closed(day)]
    delay = len(shut)
    if delay == 1 and _is_year_end_holiday(shut[0]) and shut[0] != week[0]:
        # The weeks of Christmas and New Year lose a second day when the holiday splits them:
        # reports came on the Friday (2012-12-28, 2013-01-04, 2019-01-04, 2020-01-03).
        delay = 2
    day = wednesday
    for _ in range(delay):
        day = _open_day(day + timedelta(days=1))
    return day


def _open_day(day: date) -> date:
    while is_closed(day):
        day += timedelta(days=1)
    return day


def _next_wednesday(day: date) -> date:
    return day + timedelta(days=(WEDNESDAY - day.weekday()) % 7)


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, ZoneInfo(EASTERN)).astimezone(UTC)


def _is_year_end_holiday(day: date) -> bool:
    return (day.month, day.day) in {(12, 25), (1, 1)}


def _is_inauguration(day: date) -> bool:
    """20 January after a presidential election; the Monday after when that is a Sunday."""
    if day.year % 4 != 1 or day.month != 1:
        return False
    return day.day == 20 or (day.day == 21 and day.weekday() == MONDAY)


eia_spot_weekly = ReleaseRule(
    name="eia_spot_weekly",
    zone=EASTERN,
    words=(
        "Posted weekly, Wednesday by 21:30 Eastern, with the sessions up to two days before; a "
        "working day later for each day from Monday to Wednesday on which federal offices are "
        "shut, and on the Friday when Christmas or New Year's Day is a Tuesday or Wednesday."
    ),
    rule=_spot,
)
eia_wpsr = ReleaseRule(
    name="eia_wpsr",
    zone=EASTERN,
    words=(
        "Wednesday 10:30 Eastern for the week ending the Friday before; a working day later for "
        "each day from Monday to Wednesday on which federal offices are shut, and on the Friday "
        "when Christmas or New Year's Day is a Tuesday or Wednesday; weeks held back by failures "
        "of the agency's systems on the days they came out."
    ),
    rule=_wpsr,
)
eia_retail_weekly = ReleaseRule(
    name="eia_retail_weekly",
    zone=EASTERN,
    words=(
        "Prices of Monday, released that Monday 17:00 Eastern, or at that hour of the next "
        "working day when federal offices are shut."
    ),
    rule=_retail,
)
eia_mer = ReleaseRule(
    name="eia_mer",
    zone=EASTERN,
    words=(
        "Every value of an issue is public from the issue's date; its hour is not recorded, so "
        "the end of that day, 23:59 Eastern. The rule takes the issue's date, not the month."
    ),
    rule=_issue,
)
