"""A launched run publishes when its last step has ended; one that cannot has failed, in words."""

import errno
import os
import re

import dagster as dg
import polars as pl
import pytest

from cbi_pipeline import definitions
from cbi_pipeline.defs.alerts import cause
from cbi_pipeline.defs.executor import IN_PROCESS
from cbi_pipeline.defs.resources import HomeResource
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import load_settings
from cbi_pipeline.warehouse import NothingPublished, Warehouse, _publication
from data_contracts import contract
from tests.warehouse.frames import rows_for

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ROWS = rows_for(contract("quarantine.row"), 2)


def published() -> int | None:
    """Rows that a reader outside sees; None before there is anything to be seen."""
    try:
        with Warehouse(load_settings().warehouse_dir).read_published() as store:
            return len(store.table("quarantine.row"))
    except NothingPublished:
        return None


def add(pipeline: Pipeline, rows: pl.DataFrame) -> None:
    with pipeline.warehouse.write() as store:
        store.append("quarantine.row", rows)
    pipeline.warehouse.publish()


@dg.op
def first(context: dg.OpExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
    add(pipeline, ROWS[:1])
    context.add_output_metadata({"published": str(published())})


@dg.op(ins={"before": dg.In(dg.Nothing)})
def second(context: dg.OpExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
    with pipeline.warehouse.read() as store:
        stored = len(store.table("quarantine.row"))
    add(pipeline, ROWS[1:])
    context.add_output_metadata({"read": stored, "published": str(published())})


@dg.op(ins={"before": dg.In(dg.Nothing)})
def fail() -> None:
    raise dg.Failure("the step broke", allow_retries=False)


@dg.job(executor_def=IN_PROCESS, resource_defs={"pipeline": HomeResource()})
def night():
    second(first())


@dg.job(executor_def=IN_PROCESS, resource_defs={"pipeline": HomeResource()})
def broken_night():
    fail(first())


@dg.op
def look(pipeline: dg.ResourceParam[Pipeline]) -> None:
    with pipeline.warehouse.read() as store:
        assert len(store.table("quarantine.row")) == 1


@dg.job(executor_def=IN_PROCESS, resource_defs={"pipeline": HomeResource()})
def reading_night():
    look()


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("CBI_HOME", str(tmp_path / ".cbi"))


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def launch(job, instance):
    return dg.execute_job(dg.reconstructable(job), instance, run_config=QUIET)


def metadata(result, step):
    (event,) = (e for e in result.events_for_node(step) if e.is_successful_output)
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def test_steps_read_what_earlier_ones_wrote_and_readers_see_it_when_the_run_ends(instance):
    with launch(night, instance) as result:
        assert result.success
        assert metadata(result, "first") == {"published": "None"}
        assert metadata(result, "second") == {"read": 1, "published": "None"}
    assert published() == 2


def test_a_failed_run_publishes_what_its_steps_committed(instance):
    with launch(broken_night, instance) as result:
        assert not result.success
    assert published() == 1


def test_a_run_that_cannot_publish_has_failed_in_words_and_the_next_publishes(
    instance, monkeypatch
):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(_publication.shutil, "copyfile", refuse)
        with launch(broken_night, instance), launch(reading_night, instance) as refused:
            assert not refused.success
            run = instance.get_run_by_id(refused.run_id)
    assert re.search(r"could not be published .* \(No space left on device\)", cause(instance, run))
    assert published() is None
    with launch(reading_night, instance) as result:
        assert result.success
    assert published() == 1


@pytest.mark.parametrize("name", ["ingest_archive", "evaluate", "decide", "nightly", "__ASSET_JOB"])
def test_every_launch_runs_in_one_process_and_publishes_once(name):
    assert definitions.defs().resolve_job_def(name).executor_def is IN_PROCESS
