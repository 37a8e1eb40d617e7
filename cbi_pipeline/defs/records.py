"""The records that the profile forecasts from."""

import dagster as dg

from cbi_pipeline.defs.pipeline import Pipeline
from cbi_pipeline.ingest import pricing_feeds


def _sources(pipeline: Pipeline) -> tuple[str, ...]:
    if pipeline.settings.profile != "live":
        return ("archive",)
    return pricing_feeds(pipeline.settings, pipeline.catalogue)


# A page that launches a night asks whether everything upstream is there: what the profile never
# asks would never be.
RECORDS = [dg.AssetKey(["raw", name]) for name in _sources(Pipeline.from_environment())]
