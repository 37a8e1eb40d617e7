"""Which assets run together, and when."""

from __future__ import annotations

import dagster as dg

from cbi_pipeline.defs.partitions import DAYS
from cbi_pipeline.operations.pipeline import ZONE, Pipeline

# A process per step costs more than the steps themselves.
IN_PROCESS = dg.in_process_executor

# Schedules wait to be switched on where the clock stands still.
STATUS = (
    dg.DefaultScheduleStatus.RUNNING
    if Pipeline.from_environment().settings.profile == "live"
    else dg.DefaultScheduleStatus.STOPPED
)

ingest_archive = dg.define_asset_job(
    "ingest_archive",
    selection=dg.AssetSelection.keys(["landing", "archive"], ["raw", "archive"]),
    executor_def=IN_PROCESS,
    description="Embedded official records: bytes into the ledger, rows into the warehouse.",
)

nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.groups(
        "market", "features", "evaluation", "registry", "forecasting", "issued", "report"
    ),
    partitions_def=DAYS,
    executor_def=IN_PROCESS,
    description="From prices to the morning report. A dead feed leaves it running: a commodity "
    "whose price is too old abstains, in words.",
)

weekly = dg.define_asset_job(
    "weekly",
    selection=dg.AssetSelection.groups("evaluation", "registry"),
    executor_def=IN_PROCESS,
    config={"ops": {"evaluation__walk_forward": {"config": {"anew": True}}}},
    description="New walk-forward evidence on everything known, and the gate's decision on it.",
)

ingest_archive_schedule = dg.ScheduleDefinition(
    name="ingest_archive_schedule",
    job=ingest_archive,
    cron_schedule="0 22 * * 3",
    execution_timezone=ZONE.key,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Wednesdays at 22:00 in New York; of use where the records are edited.",
)

nightly_schedule = dg.build_schedule_from_partitioned_job(
    nightly,
    name="nightly_schedule",
    hour_of_day=23,
    minute_of_hour=15,
    default_status=STATUS,
    description="Every night at 23:15 in New York, once the day's knowledge is complete.",
)

weekly_schedule = dg.ScheduleDefinition(
    name="weekly_schedule",
    job=weekly,
    cron_schedule="0 6 * * 6",
    execution_timezone=ZONE.key,
    default_status=STATUS,
    description="Saturdays at 06:00 in New York.",
)
