"""Decision instants: when what became public is first acted on."""

from __future__ import annotations

import polars as pl

DECISION_ZONE = "America/New_York"
DECISION_HOUR = 23


def decision_at(available_at: pl.Expr) -> pl.Expr:
    """The first 23:00 in New York at or after ``available_at`` (UTC), as UTC.

    The wall clock of New York counts, so the instant moves by an hour in UTC with daylight
    saving; 23:00 itself never falls into a change of the clock.
    """
    local = available_at.dt.convert_time_zone(DECISION_ZONE).dt.replace_time_zone(None)
    tonight = local.dt.truncate("1d").dt.offset_by(f"{DECISION_HOUR}h")
    night = pl.when(local <= tonight).then(tonight).otherwise(tonight.dt.offset_by("1d"))
    return night.dt.replace_time_zone(DECISION_ZONE).dt.convert_time_zone("UTC")
