"""What starts by itself around rounds: their partitions, and the gate's look at a complete one."""

from __future__ import annotations

import dagster as dg

from cbi_pipeline.catalogue import CatalogueError
from cbi_pipeline.defs.jobs import decide
from cbi_pipeline.defs.partitions import RECIPES
from cbi_pipeline.defs.registry.assets import KEY
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.rounds import Round, list_recipes, read_newest_round
from cbi_pipeline.runs.recipes import RECIPE
from cbi_pipeline.warehouse import NothingPublished

RUNNING = dg.DefaultSensorStatus.RUNNING


@dg.sensor(
    name="recipes",
    minimum_interval_seconds=30,
    default_status=RUNNING,
    description="Keeps the partitions of the walk-forward those recipes that the catalogue names.",
)
def recipe_sensor(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.SensorResult | dg.SkipReason:
    """Add recipes that are new in the catalogue, and drop those that are gone."""
    try:
        named = list_recipes(pipeline)
    except CatalogueError as error:
        return dg.SkipReason(str(error))
    keys = context.instance.get_dynamic_partitions(RECIPE)
    new, gone = [x for x in named if x not in keys], [x for x in keys if x not in named]
    requests = [RECIPES.build_add_request(new)] * bool(new)
    drops = [RECIPES.build_delete_request(gone)] * bool(gone)
    return dg.SensorResult(dynamic_partitions_requests=[*requests, *drops])


@dg.sensor(
    name="complete_round",
    job=decide,
    minimum_interval_seconds=30,
    default_status=RUNNING,
    description="Starts the gate's look when every recipe of the newest round is there or failed.",
)
def round_sensor(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.RunRequest | dg.SkipReason:
    """One look per round, and one more when another recipe has joined it."""
    newest = find_round(pipeline)
    if newest is None:
        return dg.SkipReason("no round was opened yet")
    if not newest.is_complete:
        return dg.SkipReason(f"the newest round awaits {', '.join(newest.awaited)}")
    if is_looked_at(context.instance, newest):
        return dg.SkipReason("the gate has looked at the newest round")
    return dg.RunRequest(run_key=f"{newest.round_id} {newest.noted_at.isoformat()}")


def find_round(pipeline: Pipeline) -> Round | None:
    """The newest round; None where there is none, or no home."""
    if not pipeline.settings.warehouse_dir.is_dir():
        return None
    try:
        with pipeline.warehouse.read() as store:
            return read_newest_round(store)
    except NothingPublished:
        return None


def is_looked_at(instance: dg.DagsterInstance, newest: Round) -> bool:
    """Whether the decision was made after the last recipe had entered, whoever launched it."""
    event = instance.get_latest_materialization_event(KEY)
    return event is not None and event.timestamp >= newest.noted_at.timestamp()
