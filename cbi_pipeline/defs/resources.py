"""What assets are given."""

from dataclasses import replace

import dagster as dg

from cbi_pipeline.defs.pipeline import Pipeline


@dg.definitions
def resources() -> dg.Definitions:
    """The pipeline of this environment, for every asset that asks for it."""
    return dg.Definitions(resources={"pipeline": dg.ResourceDefinition(stopped)})


def stopped(context: dg.InitResourceContext) -> Pipeline:
    """The pipeline with its clock stopped, so that all steps of a run agree on what now is.

    Raises:
        CatalogueError: the catalogue names something that is not there. A run fails with it before
            its first step; a sensor, which has no run, goes on telling.
    """
    running = Pipeline.from_environment()
    if context.run is not None:
        running.require_catalogue()
    return replace(running, instant=running.now())
