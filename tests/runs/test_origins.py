"""A run of `cbi run` belongs to the workspace's job, as one launched from a page does."""

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from cbi_pipeline.runs.origins import TAGS, note_origin


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    if context.run.tags["outcome"] == "failure":
        raise dg.Failure("asked to")


@dg.job
def nightly() -> None:
    work()


@pytest.fixture
def instance(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


def run_once(instance: dg.DagsterInstance, outcome: str) -> dg.DagsterRun:
    run_id = make_new_run_id()
    instance.add_event_listener(run_id, note_origin(instance, "nightly"))
    nightly.execute_in_process(
        instance=instance, run_id=run_id, raise_on_error=False, tags={**TAGS, "outcome": outcome}
    )
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_a_run_keeps_its_place_and_its_outcome(instance, outcome):
    run = run_once(instance, outcome)
    assert run.status.value == outcome.upper()
    origin = run.remote_job_origin
    assert origin is not None
    assert (origin.location_name, origin.job_name) == ("cbi_pipeline", "nightly")
    assert origin.repository_origin.repository_name == "__repository__"
    assert run.tags[".dagster/repository"] == "__repository__@cbi_pipeline"


def test_the_pages_do_not_repeat_it_unasked(instance):
    assert run_once(instance, "failure").tags["dagster/max_retries"] == "0"
