"""Runs, their retries, and the instant that all of them know up to."""

import time
from datetime import UTC, datetime

import dagster as dg
import pytest

from cbi_pipeline import definitions
from cbi_pipeline.defs.alerts import cause
from cbi_pipeline.defs.partitions import DAYS
from cbi_pipeline.defs.resources import HomeResource
from cbi_pipeline.defs.runs import DAILY_STEPS, FIRST_START_TAG, first_start

defs = definitions.defs()
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
KNEW: list[tuple[str, datetime]] = []
BROKEN: list[str] = []


@dg.op(required_resource_keys={"pipeline"})
def looks(context: dg.OpExecutionContext) -> None:
    KNEW.append(("looks", context.resources.pipeline.newest_as_of()))


@dg.op(required_resource_keys={"pipeline"}, ins={"before": dg.In(dg.Nothing)})
def looks_again(context: dg.OpExecutionContext) -> None:
    KNEW.append(("looks_again", context.resources.pipeline.newest_as_of()))
    if BROKEN:
        raise dg.Failure("the disk is full", allow_retries=False)


@dg.job(executor_def=dg.in_process_executor, resource_defs={"pipeline": HomeResource()})
def night():
    looks_again(looks())


@pytest.fixture
def instance(tmp_path):
    KNEW.clear()
    BROKEN.clear()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture(autouse=True)
def _live(monkeypatch):
    monkeypatch.setenv("CBI_PROFILE", "live")


def in_process(instance, **more):
    return night.execute_in_process(
        instance=instance, run_config=QUIET, raise_on_error=False, **more
    )


def test_all_steps_of_a_run_know_up_to_its_start(instance):
    run = in_process(instance)
    record = instance.get_run_record_by_id(run.run_id)
    start = datetime.fromtimestamp(record.start_time, UTC)
    assert [("looks", start), ("looks_again", start)] == KNEW
    assert instance.get_run_by_id(run.run_id).tags[FIRST_START_TAG] == start.isoformat()


def test_a_retry_from_failure_knows_what_the_failed_run_knew(instance):
    BROKEN.append("disk")
    failed = in_process(instance)
    assert not failed.success
    BROKEN.clear()
    time.sleep(0.05)
    options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
    with dg.execute_job(
        dg.reconstructable(night), instance, run_config=QUIET, reexecution_options=options
    ) as retried:
        assert retried.success
    assert [step for step, _ in KNEW] == ["looks", "looks_again", "looks_again"]
    assert len({at for _, at in KNEW}) == 1


def test_a_retry_launched_without_the_tags_knows_what_its_first_run_knew(instance):
    first = in_process(instance)
    begun = instance.create_run_for_job(night, parent_run_id=first.run_id, root_run_id=first.run_id)
    assert FIRST_START_TAG not in begun.tags
    assert first_start(begun, instance) == KNEW[0][1]
    again = instance.create_run_for_job(night, parent_run_id=begun.run_id, root_run_id=first.run_id)
    assert first_start(again, instance) == KNEW[0][1]


def test_a_retry_of_a_run_that_never_began_knows_up_to_its_launch(instance):
    first = instance.create_run_for_job(night)
    launched = instance.get_run_record_by_id(first.run_id).create_timestamp
    retry = instance.create_run_for_job(night, parent_run_id=first.run_id, root_run_id=first.run_id)
    assert first_start(retry, instance) == launched


def test_a_retry_of_a_deleted_run_knows_up_to_its_own_start(instance):
    first = in_process(instance)
    retry = instance.create_run_for_job(night, parent_run_id=first.run_id, root_run_id=first.run_id)
    instance.delete_run(first.run_id)
    own = instance.get_run_record_by_id(retry.run_id).create_timestamp
    assert first_start(retry, instance) == own


@pytest.mark.parametrize("job", ["nightly", "__ASSET_JOB"])
def test_a_launch_without_a_day_fails_at_once_and_says_what_to_choose(instance, job):
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance, run_config=QUIET, raise_on_error=False
    )
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_start]
    said = cause(instance, instance.get_run_by_id(result.run_id))
    assert said == (
        f"{job}: forecasting/refresh, issued/forecast, report/morning belong to a day and this "
        "launch names none: choose a partition, the newest for today's forecast or an earlier one "
        "for a replay"
    )


def test_a_launch_for_several_days_is_one_run(instance):
    result = defs.resolve_job_def("nightly").execute_in_process(
        instance=instance,
        run_config=QUIET,
        raise_on_error=False,
        tags={
            "dagster/asset_partition_range_start": "2026-01-05",
            "dagster/asset_partition_range_end": "2026-01-07",
        },
    )
    # It begins, and says that nothing was ever ingested.
    assert [event for event in result.all_events if event.is_step_start]
    assert "no source has brought anything" in cause(
        instance, instance.get_run_by_id(result.run_id)
    )


def test_what_belongs_to_no_day_is_launched_without_one(instance):
    result = defs.resolve_job_def("__ASSET_JOB").execute_in_process(
        instance=instance,
        run_config=QUIET,
        raise_on_error=False,
        asset_selection=[dg.AssetKey(["issued", "score"])],
    )
    # It begins, and says that nothing was ever ingested.
    assert [event for event in result.all_events if event.is_step_start]
    assert "cbi run" in cause(instance, instance.get_run_by_id(result.run_id))


def test_the_steps_that_need_a_day_are_those_that_have_days():
    graph = defs.resolve_asset_graph()
    daily = {key for key in graph.get_all_asset_keys() if graph.get(key).partitions_def == DAYS}
    assert {"__".join(key.path) for key in daily} == DAILY_STEPS
