"""Weekly natural gas storage of the EIA."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from data_contracts.family import Family
from data_contracts.release import EASTERN, ReleaseRule, is_closed
from data_contracts.shape import Shape


def _storage(week: date) -> datetime:
    """Report for the week ending on the Friday ``week``."""
    day = week + timedelta(days=6)
    while is_closed(day):
        day += timedelta(days=1)
    return datetime.combine(day, time(10, 30), ZoneInfo(EASTERN)).astimezone(UTC)


eia_storage_weekly = ReleaseRule(
    name="eia_storage_weekly",
    zone=EASTERN,
    words=(
        "Thursday 10:30 Eastern for the week ending the Friday before; when that Thursday is a "
        "holiday, the next working day, although the agency is then often a day early."
    ),
    rule=_storage,
)

EIA_GAS_STORAGE = Family(
    name="eia_gas_storage",
    title="Natural gas in underground storage, weekly",
    agency="U.S. Energy Information Administration",
    frequency="weekly",
    weekdays=(5,),
    bounds={"Bcf": (0.0, 10_000.0)},
    release=eia_storage_weekly,
    staleness=timedelta(days=21),
    revisions="restated when a change reaches 4 Bcf, off schedule when it reaches 10",
    restated_share=0.5,
    rights="public-domain",
    shape=Shape(ascending=True, spacing=(7, 7), distinct_floor=0.5, scale_limit=20.0),
    version="1.1.0",
)
