"""What assets are given."""

from dataclasses import replace

import dagster as dg

from cbi_pipeline.defs.jobs import IN_PROCESS
from cbi_pipeline.defs.pipeline import Pipeline
from cbi_pipeline.defs.processes import process_tags


@dg.definitions
def resources() -> dg.Definitions:
    """The pipeline of this environment, for every asset; and one process for every launch."""
    return dg.Definitions(
        resources={"pipeline": dg.ResourceDefinition(stopped)}, executor=IN_PROCESS
    )


def stopped(context: dg.InitResourceContext) -> Pipeline:
    """The pipeline with its clock stopped, so that all steps of a run agree on what now is.

    Raises:
        CatalogueError: the catalogue names something that is not there. A run fails with it before
            its first step; a sensor, which has no run, goes on telling.
    """
    running = Pipeline.from_environment()
    if context.run is not None:
        if context.instance is not None:
            # Whoever launched it: this is the process that it lives in.
            context.instance.add_run_tags(context.run.run_id, process_tags(context.run.run_id))
        running.require_catalogue()
    return replace(running, instant=running.now())
