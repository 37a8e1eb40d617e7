"""Rounds of a home, as a launch over recipes and the gate's look after it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from cbi_pipeline.defs.evaluation.assets import walk_forward
from cbi_pipeline.defs.registry.assets import decision
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.rounds import list_recipes
from cbi_pipeline.runs.recipes import RECIPE, range_tags, renew_recipes

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def instance_of(pipeline: Pipeline) -> Iterator[dg.DagsterInstance]:
    """An instance whose partitions are the recipes of the catalogue."""
    with dg.DagsterInstance.ephemeral() as instance:
        renew_recipes(instance, list_recipes(pipeline))
        yield instance


def enter(
    pipeline: Pipeline, recipes: Sequence[str] | None = None, opening: str = "join"
) -> dg.ExecuteInProcessResult:
    """One run that lets recipes enter a round, all of them where none is named."""
    with instance_of(pipeline) as instance:
        instance.add_dynamic_partitions(RECIPE, list(recipes or ()))
        held = list(recipes or instance.get_dynamic_partitions(RECIPE))
        config = {"ops": {"evaluation__walk_forward": {"config": {"opening": opening}}}}
        return dg.materialize(
            [walk_forward],
            instance=instance,
            tags=range_tags(held),
            resources={"pipeline": pipeline},
            run_config=QUIET | config,
            raise_on_error=False,
        )


def look(pipeline: Pipeline) -> None:
    """The gate's look."""
    resources = {"pipeline": pipeline}
    assert dg.materialize([decision], resources=resources, run_config=QUIET).success


def judge(pipeline: Pipeline) -> None:
    """A round of every recipe, and the look at it."""
    assert enter(pipeline, opening="open").success
    look(pipeline)
