"""A run whose process is gone is ended and holds no pool; one whose process lives is left alone."""

import os
import signal
import socket
import subprocess
import sys
import time

import dagster as dg
import pytest
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter

from cbi_pipeline.commands.instance import open_instance
from cbi_pipeline.runs.processes import (
    FORMER_TAG,
    PROCESS_TAG,
    end_dead_runs,
    identity,
    process_tags,
)
from cbi_pipeline.settings import PROJECT_ROOT, Settings
from tests.commands import cbi
from tests.system.homes import Home

RUNNING = """
import sys, time
from pathlib import Path
import dagster as dg
from cbi_pipeline.runs.processes import process_tags
from dagster._core.utils import make_new_run_id

@dg.op(pool="warehouse")
def write():
    Path(sys.argv[1]).touch()
    time.sleep(600)

@dg.job
def nightly():
    write()

run_id = make_new_run_id()
quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
with dg.DagsterInstance.get() as instance:
    nightly.execute_in_process(quiet, instance, run_id=run_id, tags=process_tags(run_id))
"""


@dg.op(pool="warehouse")
def write() -> None:
    """Writes nothing."""


@dg.job
def nightly() -> None:
    write()


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    with open_instance(Settings(_env_file=None, home=tmp_path / "home")) as made:
        yield made


@pytest.fixture
def process():
    """A process that does nothing, to be killed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


@pytest.fixture
def started(instance):
    """Makes a run that is marked as started and has the pool, in a process of our choosing."""

    def make(tags, status=dg.DagsterRunStatus.STARTED):
        run = instance.create_run_for_job(nightly, tags=tags, status=status)
        instance.event_log_storage.initialize_concurrency_limit_to_default("warehouse")
        instance.event_log_storage.claim_concurrency_slot("warehouse", run.run_id, "write")
        if PROCESS_TAG in tags:
            instance.add_run_tags(run.run_id, {PROCESS_TAG: f"{run.run_id} {tags[PROCESS_TAG]}"})
        return run

    return make


def blocked(instance) -> bool:
    """Whether the queue would hold the next night back, as the daemon decides it."""
    next_night = instance.create_run_for_job(nightly)
    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default("warehouse")
    counter = GlobalOpConcurrencyLimitsCounter(
        instance,
        [next_night],
        instance.get_run_records(unfinished),
        storage.get_concurrency_keys(),
        storage.get_pool_limits(),
        pool_granularity=instance.get_concurrency_config().pool_config.pool_granularity,
    )
    return counter.is_blocked(next_night)


def wait_for(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def taken(instance) -> int:
    return instance.event_log_storage.get_concurrency_info("warehouse").active_slot_count


def status(instance, run) -> dg.DagsterRunStatus:
    return instance.get_run_by_id(run.run_id).status


def test_a_run_killed_while_it_has_the_pool_is_ended_and_the_next_one_may_begin(instance, tmp_path):
    began = tmp_path / "began"
    command = [sys.executable, "-W", "ignore", "-c", RUNNING, str(began)]
    child = subprocess.Popen(command, cwd=PROJECT_ROOT)
    try:
        wait_for(began.exists)
        assert end_dead_runs(instance) == []
        assert blocked(instance)
    finally:
        child.kill()
        child.wait()
    (ended,) = end_dead_runs(instance)
    run = instance.get_run_by_id(ended)
    assert run.status is dg.DagsterRunStatus.FAILURE
    (said,) = instance.all_logs(ended, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert f"its process, {child.pid}, ended without finishing the run" in said.message
    assert not blocked(instance)
    assert end_dead_runs(instance) == []


def test_a_process_id_that_came_round_again_keeps_no_run(instance, started, process):
    pid = process.pid
    boot, ticks = identity(pid).split()
    earlier = [f"{pid} {boot} {int(ticks) - 1}", f"{pid} another-boot {ticks}"]
    runs = [started({PROCESS_TAG: one}) for one in earlier]
    assert sorted(end_dead_runs(instance)) == sorted(run.run_id for run in runs)
    assert taken(instance) == 0


def test_a_living_run_of_another_process_is_left_alone(instance, started, process):
    run = started({PROCESS_TAG: f"{process.pid} {identity(process.pid)}"})
    assert end_dead_runs(instance) == []
    assert status(instance, run) is dg.DagsterRunStatus.STARTED
    assert taken(instance) == 1


def test_a_process_that_ended_and_was_not_waited_for_is_gone(instance, started, process):
    run = started({PROCESS_TAG: f"{process.pid} {identity(process.pid)}"})
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: end_dead_runs(instance))
    assert status(instance, run) is dg.DagsterRunStatus.FAILURE


def test_a_run_that_was_being_stopped_when_its_process_ended_is_canceled(instance, started):
    run = started({PROCESS_TAG: "999999999 boot 1"}, dg.DagsterRunStatus.CANCELING)
    assert end_dead_runs(instance) == [run.run_id]
    assert status(instance, run) is dg.DagsterRunStatus.CANCELED


def test_a_run_started_again_does_not_end_with_the_process_of_the_one_before(instance):
    before = instance.create_run_for_job(nightly)
    dead = {PROCESS_TAG: f"{before.run_id} 999999999 boot 1"}
    run = instance.create_run_for_job(nightly, tags=dead, status=dg.DagsterRunStatus.STARTING)
    assert end_dead_runs(instance) == []
    assert status(instance, run) is dg.DagsterRunStatus.STARTING


def test_a_run_of_an_earlier_version_is_known_by_its_process_id_alone(instance, started, process):
    gone = started({FORMER_TAG: "999999999"})
    lives = started({FORMER_TAG: str(process.pid)})
    assert end_dead_runs(instance) == [gone.run_id]
    assert status(instance, lives) is dg.DagsterRunStatus.STARTED


def test_a_run_of_an_earlier_version_is_not_kept_by_a_process_that_began_later(
    instance, started, process, monkeypatch
):
    run = started({FORMER_TAG: str(process.pid)})
    hour_later = time.time() + 3600
    monkeypatch.setattr("cbi_pipeline.runs.processes._began", lambda pid: hour_later)
    assert end_dead_runs(instance) == [run.run_id]


def test_where_no_proc_is_the_start_of_a_process_is_asked_of_ps(monkeypatch, tmp_path, process):
    here = identity(process.pid)
    monkeypatch.setattr("cbi_pipeline.runs.processes._PROC", tmp_path)
    elsewhere = identity(process.pid)
    assert elsewhere and elsewhere != here
    assert identity(process.pid) == elsewhere
    process.kill()
    process.wait()
    assert identity(process.pid) is None


def test_a_run_names_the_process_it_lives_in_whoever_launched_it(instance, monkeypatch, tmp_path):
    from cbi_pipeline import definitions

    monkeypatch.setenv("CBI_HOME", str(tmp_path / "home"))
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = definitions.defs().resolve_job_def("ingest_cftc").execute_in_process(quiet, instance)
    run = instance.get_run_by_id(result.run_id)
    assert run.tags.items() >= process_tags(run.run_id).items()


@pytest.mark.slow
def test_opening_the_pages_ends_what_a_power_cut_left_running(instance, started, tmp_path):
    run = started({PROCESS_TAG: "999999999 boot 1"})
    home = Home(tmp_path / "home")
    pages = cbi(
        ("ui", "--dagster-port", free_port(), "--mlflow-port", free_port()), home.environment
    )
    try:
        wait_for(lambda: status(instance, run) is dg.DagsterRunStatus.FAILURE)
        assert taken(instance) == 0
    finally:
        pages.signal(signal.SIGTERM)
        pages.wait()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
