"""Monthly commodity prices of the World Bank, the Pink Sheet."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from data_contracts.family import Family
from data_contracts.release import EASTERN, ReleaseRule, is_closed
from data_contracts.shape import Shape


def _pink_sheet(month: date) -> datetime:
    """Release of the mean of the month that begins on ``month``."""
    day = (month.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    for _ in range(3):
        day += timedelta(days=1)
        while is_closed(day):
            day += timedelta(days=1)
    return datetime.combine(day, time(23, 59), ZoneInfo(EASTERN)).astimezone(UTC)


pink_sheet_monthly = ReleaseRule(
    name="pink_sheet_monthly",
    zone=EASTERN,
    words=(
        "The third working day of the month after, whose hour is not recorded, so the end of that "
        "day, 23:59 Eastern; it is often a day earlier."
    ),
    rule=_pink_sheet,
)

WORLD_BANK_MONTHLY = Family(
    name="world_bank_monthly",
    title="Commodity prices, means of months",
    agency="World Bank",
    frequency="monthly",
    weekdays=(),
    bounds={"USD/t": (1.0, 100_000.0), "USD/oz": (1.0, 100_000.0)},
    release=pink_sheet_monthly,
    # A month is named by its first day, and is the newest until the next but one has begun.
    staleness=timedelta(days=80),
    revisions="each release restates a few values; that of 2026 rounded a third of all",
    restated_share=0.2,
    rights="attribution",
    shape=Shape(ascending=True, spacing=(28, 31), scale_limit=20.0),
)
