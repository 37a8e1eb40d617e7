"""The days that forecasts are issued for, and the recipes that are judged."""

from __future__ import annotations

import dagster as dg

from cbi_pipeline.operations.pipeline import ZONE
from cbi_pipeline.runs.recipes import RECIPE

FIRST_DAY = "2017-01-01"
#: Days of the desk up to and including today, whatever the profile.
DAYS = dg.DailyPartitionsDefinition(FIRST_DAY, timezone=ZONE.key, end_offset=1)
#: Recipes of the catalogue that face the gate; a sensor adds and removes them, without a restart.
RECIPES = dg.DynamicPartitionsDefinition(name=RECIPE)
