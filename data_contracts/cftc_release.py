"""When a Commitments of Traders report became public: the agency's rule and its known exceptions.

The lag is data. Two shutdowns and an outage held back 28 weekly reports for up to 50 days; whoever
joins on the report's date, or on that date plus three days, looks into the future there.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from data_contracts.release import EASTERN, ReleaseRule, is_closed

TUESDAY = 1

#: Report date to day of publication, from the agency's announcements: the schedule after the
#: shutdown of 2025, that of January 2019 (one report each Tuesday and Friday from 2019-02-01 on),
#: and the first report after the outage of a data supplier in 2023. Reports appear in order, so
#: the two that followed the latter cannot have been earlier; nor can those of October 2013 have
#: come in the week in which offices opened again.
PUBLISHED_LATE: dict[date, date] = {
    date(2013, 10, 1): date(2013, 10, 25),
    date(2013, 10, 8): date(2013, 10, 25),
    date(2013, 10, 15): date(2013, 10, 25),
    date(2018, 12, 24): date(2019, 2, 1),
    date(2018, 12, 31): date(2019, 2, 5),
    date(2019, 1, 8): date(2019, 2, 8),
    date(2019, 1, 15): date(2019, 2, 12),
    date(2019, 1, 22): date(2019, 2, 15),
    date(2019, 1, 29): date(2019, 2, 19),
    date(2019, 2, 5): date(2019, 2, 22),
    date(2019, 2, 12): date(2019, 2, 26),
    date(2019, 2, 19): date(2019, 3, 1),
    date(2019, 2, 26): date(2019, 3, 5),
    date(2023, 1, 31): date(2023, 2, 24),
    date(2023, 2, 7): date(2023, 2, 24),
    date(2023, 2, 14): date(2023, 2, 24),
    date(2025, 9, 30): date(2025, 11, 19),
    date(2025, 10, 7): date(2025, 11, 21),
    date(2025, 10, 14): date(2025, 11, 25),
    date(2025, 10, 21): date(2025, 12, 2),
    date(2025, 10, 28): date(2025, 12, 5),
    date(2025, 11, 4): date(2025, 12, 9),
    date(2025, 11, 10): date(2025, 12, 12),
    date(2025, 11, 18): date(2025, 12, 16),
    date(2025, 11, 25): date(2025, 12, 19),
    date(2025, 12, 2): date(2025, 12, 23),
    date(2025, 12, 9): date(2025, 12, 30),
    date(2025, 12, 16): date(2026, 1, 6),
    date(2025, 12, 23): date(2026, 1, 9),
    date(2025, 12, 30): date(2026, 1, 13),
    date(2026, 1, 6): date(2026, 1, 16),
    date(2026, 1, 13): date(2026, 1, 20),
}


def _compute_publication(report: date) -> datetime:
    """Publication of the report dated ``report``, a Tuesday or the Monday before a holiday."""
    day = PUBLISHED_LATE.get(report) or _third_working_day(report)
    return datetime.combine(day, time(15, 30), ZoneInfo(EASTERN)).astimezone(UTC)


def _third_working_day(report: date) -> date:
    day = report + timedelta(days=(TUESDAY - report.weekday()) % 7)
    for _ in range(3):
        day += timedelta(days=1)
        while is_closed(day):
            day += timedelta(days=1)
    return day


cftc_weekly = ReleaseRule(
    name="cftc_weekly",
    zone=EASTERN,
    words=(
        "The third working day after the report's Tuesday, usually Friday, 15:30 Eastern; reports "
        "held back by shutdowns and outages on the days the agency announced."
    ),
    rule=_compute_publication,
)
