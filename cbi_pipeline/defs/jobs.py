"""Which assets run together, and when."""

from __future__ import annotations

import dagster as dg

from cbi_pipeline.defs.partitions import DAYS
from cbi_pipeline.defs.pipeline import ZONE, Pipeline

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

ingest_eia = dg.define_asset_job(
    "ingest_eia",
    selection=dg.AssetSelection.keys(["landing", "eia"], ["raw", "eia"]),
    executor_def=IN_PROCESS,
    description="Spot prices, petroleum supply and stocks, gas storage: what is new since the "
    "last time, what was revised, and one thirtieth of history again.",
)

ingest_cftc = dg.define_asset_job(
    "ingest_cftc",
    selection=dg.AssetSelection.keys(["landing", "cftc"], ["raw", "cftc"]),
    executor_def=IN_PROCESS,
    description="Commitments of Traders: legacy, disaggregated and financial reports.",
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

ingest_eia_schedule = dg.ScheduleDefinition(
    name="ingest_eia_schedule",
    job=ingest_eia,
    cron_schedule=["30 11 * * 3,4", "0 22 * * *"],
    execution_timezone=ZONE.key,
    default_status=STATUS,
    description="Every night at 22:00 in New York, and at 11:30 on Wednesdays and Thursdays, "
    "after the weekly petroleum and gas releases of 10:30.",
)

ingest_cftc_schedule = dg.ScheduleDefinition(
    name="ingest_cftc_schedule",
    job=ingest_cftc,
    cron_schedule=["30 16 * * 5", "15 22 * * *"],
    execution_timezone=ZONE.key,
    default_status=STATUS,
    description="Every night at 22:15 in New York, and on Fridays at 16:30, after the weekly "
    "release of 15:30.",
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
