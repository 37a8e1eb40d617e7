"""The days that forecasts are issued for."""

from __future__ import annotations

import dagster as dg

from cbi_pipeline.operations.pipeline import ZONE

FIRST_DAY = "2017-01-01"
#: Days of the desk up to and including today, whatever the profile.
DAYS = dg.DailyPartitionsDefinition(FIRST_DAY, timezone=ZONE.key, end_offset=1)
