"""Jobs and schedules as an operator finds them."""

import os
import subprocess
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from cbi_pipeline import definitions
from cbi_pipeline.defs.evaluation.assets import Evidence
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.rounds import list_recipes
from cbi_pipeline.settings import PROJECT_ROOT

defs = definitions.defs()
JOBS = ("ingest_archive", "ingest_eia", "ingest_cftc", "evaluate", "nightly")
NEW_YORK = ZoneInfo("America/New_York")


def requests(name: str, at: datetime, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at, repository_def=defs.get_repository_def()
    )
    return list(defs.resolve_schedule_def(name).evaluate_tick(context).run_requests or [])


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_definitions_are_loadable():
    dg.Definitions.validate_loadable(defs)


@pytest.mark.parametrize("name", JOBS)
def test_jobs_run_in_one_process(name):
    assert defs.resolve_job_def(name).executor_def.name == "in_process"


@pytest.mark.parametrize("schedule", [f"{name}_schedule" for name in JOBS])
def test_schedules_run_in_the_desks_zone_and_wait_in_the_archive_profile(schedule):
    found = defs.resolve_schedule_def(schedule)
    assert found.execution_timezone == "America/New_York"
    assert found.default_status is dg.DefaultScheduleStatus.STOPPED


def test_the_nightly_tick_asks_for_its_own_day_in_every_profile(instance):
    (request,) = requests(
        "nightly_schedule", datetime(2026, 3, 2, 23, 15, tzinfo=NEW_YORK), instance
    )
    assert request.partition_key == "2026-03-02"


def test_the_asset_graphs_own_job_runs_in_one_process_as_well():
    assert defs.get_implicit_global_asset_job_def().executor_def.name == "in_process"


@pytest.mark.slow
def test_live_schedules_run_by_themselves_and_the_night_asks_for_its_own_day():
    program = """
from datetime import datetime
from tests.defs.test_jobs import NEW_YORK, defs, requests
import dagster as dg
with dg.DagsterInstance.ephemeral() as instance:
    tick = datetime(2026, 3, 2, 23, 15, tzinfo=NEW_YORK)
    (request,) = requests("nightly_schedule", tick, instance)
print(request.partition_key, defs.resolve_schedule_def("evaluate_schedule").default_status.value)
"""
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=PROJECT_ROOT,
        env={**os.environ, "CBI_PROFILE": "live"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.split() == ["2026-03-02", "RUNNING"]


def test_every_week_one_run_opens_a_round_of_the_recipes_that_the_catalogue_names(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("recipe", ["gone"])
        at = datetime(2020, 2, 15, 6, tzinfo=NEW_YORK)
        (request,) = requests("evaluate_schedule", at, instance)
        held = instance.get_dynamic_partitions("recipe")
    named = list(list_recipes(Pipeline.from_environment()))
    assert held == named
    first, last = (request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end"))
    assert (first, last) == (named[0], named[-1])


@pytest.mark.parametrize(("job", "enters"), [("evaluate", "open"), ("__ASSET_JOB", "join")])
def test_the_job_opens_a_round_and_a_launch_of_the_asset_joins_one(job, enters):
    assert Evidence().of_run(job) == enters


def test_the_gate_looks_by_itself_or_when_asked_and_has_no_hour_and_no_day():
    assert defs.resolve_job_def("decide").partitions_def is None
    assert "decide" not in {one.job_name for one in defs.get_repository_def().schedule_defs}
    assert defs.resolve_sensor_def("complete_round").job_name == "decide"


def test_nightly_holds_everything_from_prices_to_the_report_but_no_feed_and_no_evidence():
    keys = defs.resolve_job_def("nightly").asset_layer.executable_asset_keys
    names = {key.to_user_string() for key in keys}
    assert names == {
        "market/session",
        "features/row",
        "features/target",
        "forecasting/refresh",
        "issued/forecast",
        "issued/score",
        "report/morning",
    }


def test_every_writer_waits_in_the_warehouse_pool():
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys() - {dg.AssetKey(["report", "morning"])}:
        assert graph.get(key).pools == {"warehouse"}, key
