"""What assets are given, and how their runs are executed."""

from dataclasses import replace

import dagster as dg

from cbi_pipeline.defs.executor import IN_PROCESS
from cbi_pipeline.defs.runs import first_start, own_start, require_day
from cbi_pipeline.operations.home_catalogue import note_catalogue
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.runs.processes import process_tags


class HomeResource(dg.ConfigurableResource[Pipeline]):
    """The pipeline of the environment as it is when a run starts."""

    def create_resource(self, context: dg.InitResourceContext) -> Pipeline:
        """The pipeline at the start of a run: its steps and its retries agree on what now is.

        Raises:
            NoDay: the run makes forecasts and does not say for which day.
            CatalogueError: the catalogue names something that is not there. A run fails with either
                before its first step; a sensor, which has no run, goes on telling.
        """
        pipeline, run, instance = Pipeline.from_environment(), context.run, context.instance
        if run is None or instance is None:
            return pipeline
        # Whoever launched it: this is the process that it lives in.
        instance.add_run_tags(run.run_id, process_tags(run.run_id))
        require_day(run, instance)
        pipeline.require_catalogue()
        note_catalogue(pipeline.settings)
        return replace(
            pipeline, started=own_start(run, instance), first_started=first_start(run, instance)
        )


@dg.definitions
def resources() -> dg.Definitions:
    """The pipeline of this environment, for every asset; and one process for every launch."""
    return dg.Definitions(resources={"pipeline": HomeResource()}, executor=IN_PROCESS)
