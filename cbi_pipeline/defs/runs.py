"""When a run began, which run it retries, and whether it says for which days it is.

What a run knows ends where the first run of its line began: a retry, hours or a night later,
completes what that run set out to say. The instant is kept in a tag, which Dagster hands on to
retries and which stands beside the run in its pages.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

#: Start of the first run of a line of retries, as ISO 8601 in UTC.
FIRST_START_TAG = "cbi/first_start"
#: Steps that need a day.
DAILY_STEPS = frozenset({"forecasting__refresh", "issued__forecast", "report__morning"})


class NoDay(ValueError):
    """A run that forecasts names no day; the message says what to choose."""


def own_start(run: dg.DagsterRun, instance: dg.DagsterInstance) -> datetime:
    """When the run began, UTC."""
    return _start(run.run_id, instance) or datetime.now(UTC)


def first_start(run: dg.DagsterRun, instance: dg.DagsterInstance) -> datetime:
    """When the run that it retries, or else itself, began, UTC; noted in a tag of the run."""
    noted = run.tags.get(FIRST_START_TAG)
    if noted is not None:
        return datetime.fromisoformat(noted)
    began = _noted_or_start(run.root_run_id, instance) or own_start(run, instance)
    instance.add_run_tags(run.run_id, {FIRST_START_TAG: began.isoformat()})
    return began


def _noted_or_start(run_id: str | None, instance: dg.DagsterInstance) -> datetime | None:
    """What the tag of a run says, or when it began; None when there is no such run any more."""
    run = instance.get_run_by_id(run_id) if run_id else None
    if run is None:
        return None
    noted = run.tags.get(FIRST_START_TAG)
    return datetime.fromisoformat(noted) if noted else _start(run.run_id, instance)


def _start(run_id: str, instance: dg.DagsterInstance) -> datetime | None:
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        return None
    if record.start_time is None:  # it ended before its first step
        return record.create_timestamp.astimezone(UTC)
    return datetime.fromtimestamp(record.start_time, UTC)


def require_day(run: dg.DagsterRun, instance: dg.DagsterInstance) -> None:
    """Refuse a run that forecasts and names no day.

    Raises:
        NoDay: says what to choose.
    """
    daily = sorted(DAILY_STEPS & set(_steps(run, instance)))
    if not daily or run.tags.keys() & {PARTITION_NAME_TAG, ASSET_PARTITION_RANGE_START_TAG}:
        return
    names = ", ".join(step.replace("__", "/") for step in daily)
    raise NoDay(
        f"{names} belong to a day and this launch names none: choose a partition, the newest "
        "for today's forecast or an earlier one for a replay"
    )


def _steps(run: dg.DagsterRun, instance: dg.DagsterInstance) -> Collection[str]:
    if run.step_keys_to_execute is not None:
        return run.step_keys_to_execute
    if run.execution_plan_snapshot_id is None:
        return ()
    return instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id).step_keys_to_execute
