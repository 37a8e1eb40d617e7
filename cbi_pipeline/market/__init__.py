"""Prices of the commodities on their own sessions, and the instants at which they are decided on.

build_sessions   observations of a price series to rows of ``market.session``
latest_prices    one price per session as known at an instant
decision_at      the first 23:00 in New York at or after an instant
sessions         sessions of a calendar, past or future
name_target_sessions  the sessions that forecasts are about
find_outcomes    the sessions whose prices they are judged by
coverage_rule    whether expected sessions have their prices, and no others do
YEARS_JUDGED     how far back a record must be whole
"""

from cbi_pipeline.market.calendars import (
    calendar,
    describe_calendars,
    has_calendar,
    list_calendars,
    next_sessions,
    sessions,
)
from cbi_pipeline.market.coverage import YEARS_JUDGED, coverage_rule
from cbi_pipeline.market.outcomes import find_outcomes, name_target_sessions
from cbi_pipeline.market.prices import build_sessions, latest_prices
from data_contracts.decision import DECISION_ZONE, decision_at

__all__ = [
    "DECISION_ZONE",
    "YEARS_JUDGED",
    "build_sessions",
    "calendar",
    "coverage_rule",
    "decision_at",
    "describe_calendars",
    "find_outcomes",
    "has_calendar",
    "latest_prices",
    "list_calendars",
    "name_target_sessions",
    "next_sessions",
    "sessions",
]
