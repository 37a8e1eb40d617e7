"""What assets are given."""

import dagster as dg

from cbi_pipeline.defs.pipeline import Pipeline


@dg.definitions
def resources() -> dg.Definitions:
    """The pipeline of this environment, for every asset that asks for it."""
    return dg.Definitions(resources={"pipeline": Pipeline.from_environment()})
