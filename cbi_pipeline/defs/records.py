"""The records that the profile forecasts from."""

import dagster as dg

from cbi_pipeline.settings import load_settings

# A page that launches a night asks whether everything upstream is there: what the profile never
# asks would never be.
RECORDS = dg.AssetKey(["raw", "eia" if load_settings().profile == "live" else "archive"])
