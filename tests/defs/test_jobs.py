"""Jobs and schedules as an operator finds them."""

import os
import subprocess
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from cbi_pipeline import definitions
from cbi_pipeline.settings import PROJECT_ROOT

defs = definitions.defs()
JOBS = ("ingest_archive", "ingest_eia", "ingest_cftc", "nightly", "weekly")
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
print(request.partition_key, defs.resolve_schedule_def("weekly_schedule").default_status.value)
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


def test_the_weekly_job_asks_for_new_evidence(instance):
    (request,) = requests("weekly_schedule", datetime(2020, 2, 15, 6, tzinfo=NEW_YORK), instance)
    job = defs.resolve_job_def("weekly")
    config = request.run_config or job.run_config
    assert config["ops"]["evaluation__walk_forward"]["config"] == {"anew": True}


def test_nightly_holds_everything_from_prices_to_the_report_and_no_feed():
    keys = defs.resolve_job_def("nightly").asset_layer.executable_asset_keys
    names = {key.to_user_string() for key in keys}
    assert names == {
        "market/session",
        "features/row",
        "features/target",
        "evaluation/walk_forward",
        "registry/decision",
        "forecasting/refresh",
        "issued/forecast",
        "issued/score",
        "report/morning",
    }


def test_every_writer_waits_in_the_warehouse_pool():
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys() - {dg.AssetKey(["report", "morning"])}:
        assert graph.get(key).pools == {"warehouse"}, key
