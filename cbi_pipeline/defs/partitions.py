"""The days that forecasts are issued for."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from cbi_pipeline.defs.pipeline import ZONE, Pipeline

FIRST_DAY = "2017-01-01"


def desk_days(pipeline: Pipeline) -> dg.DailyPartitionsDefinition:
    """Days of the desk up to and including today; a closed record's days end with its clock."""
    if pipeline.settings.profile == "live":
        return dg.DailyPartitionsDefinition(FIRST_DAY, timezone=ZONE.key, end_offset=1)
    day_after = pipeline.today() + timedelta(days=1)
    return dg.DailyPartitionsDefinition(
        FIRST_DAY, end_date=day_after.isoformat(), timezone=ZONE.key
    )


DAYS = desk_days(Pipeline.from_environment())
