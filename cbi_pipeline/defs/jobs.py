"""Which assets run together, and when."""

from __future__ import annotations

import dagster as dg

from cbi_pipeline.defs.executor import IN_PROCESS
from cbi_pipeline.defs.partitions import DAYS, RECIPES
from cbi_pipeline.operations.pipeline import ZONE, Pipeline
from cbi_pipeline.operations.rounds import list_recipes
from cbi_pipeline.runs.recipes import RECIPE, range_tags, renew_recipes
from cbi_pipeline.settings import load_settings

ingest_archive = dg.define_asset_job(
    "ingest_archive",
    selection=dg.AssetSelection.keys(["landing", "archive"], ["raw", "archive"]),
    executor_def=IN_PROCESS,
    description="Embedded official records: bytes into the ledger, rows into the warehouse.",
)

evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.groups("market", "features", "evaluation"),
    partitions_def=RECIPES,
    executor_def=IN_PROCESS,
    description="A round: new walk-forward evidence on everything known, of every recipe.",
)

decide = dg.define_asset_job(
    "decide",
    selection=dg.AssetSelection.groups("registry"),
    executor_def=IN_PROCESS,
    description="The gate's look at a round that is complete.",
)

nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.groups("market", "features", "forecasting", "issued", "report"),
    partitions_def=DAYS,
    executor_def=IN_PROCESS,
    description="From prices to the morning report. A dead feed leaves it running: a commodity "
    "whose price is too old abstains, in words.",
)

ingest_archive_schedule = dg.ScheduleDefinition(
    name="ingest_archive_schedule",
    job=ingest_archive,
    cron_schedule="0 22 * * 3",
    execution_timezone=ZONE.key,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Wednesdays at 22:00 in New York; of use where the records are edited.",
)


@dg.definitions
def jobs() -> dg.Definitions:
    """Jobs beside those of the live feeds, and their hours."""
    return dg.Definitions(
        jobs=[ingest_archive, evaluate, decide, nightly],
        schedules=[
            ingest_archive_schedule,
            nightly_schedule(schedule_status()),
            evaluate_schedule(schedule_status()),
        ],
    )


def schedule_status() -> dg.DefaultScheduleStatus:
    """Schedules wait to be switched on where the clock stands still."""
    if load_settings().has_services:
        return dg.DefaultScheduleStatus.RUNNING
    return dg.DefaultScheduleStatus.STOPPED


def nightly_schedule(status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """Every night, for the day that ends."""
    schedule = dg.build_schedule_from_partitioned_job(
        nightly,
        name="nightly_schedule",
        hour_of_day=23,
        minute_of_hour=15,
        default_status=status,
        description="Every night at 23:15 in New York, once the day's knowledge is complete.",
    )
    assert isinstance(schedule, dg.ScheduleDefinition)
    return schedule


def evaluate_schedule(status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """Every week, a round."""
    return dg.ScheduleDefinition(
        name="evaluate_schedule",
        job=evaluate,
        cron_schedule="0 6 * * 6",
        execution_timezone=ZONE.key,
        default_status=status,
        execution_fn=ask_for_round,
        description="Saturdays at 06:00 in New York, one run over all recipes.",
    )


def ask_for_round(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run over the recipes that the catalogue names now."""
    renew_recipes(context.instance, list_recipes(Pipeline.from_environment()))
    keys = context.instance.get_dynamic_partitions(RECIPE)
    return dg.RunRequest(tags=range_tags(keys))
