"""What `cbi run` launches, in which order, and for which day."""

from datetime import datetime, timedelta

import dagster as dg
import pytest

from cbi_pipeline.commands.run import plan_launches
from cbi_pipeline.operations.pipeline import ZONE, Pipeline
from cbi_pipeline.settings import Settings

NOON = datetime(2026, 3, 10, 12, tzinfo=ZONE)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_records_then_the_round_then_the_look_then_the_night(tmp_path, instance):
    pipeline = Pipeline(Settings(_env_file=None, home=tmp_path), NOON)
    names = ["ingest_archive", "evaluate", "decide", "nightly"]
    assert list(plan_launches(pipeline, instance)) == names


def test_the_round_is_of_every_recipe_and_opened_where_it_is_due(tmp_path, instance):
    launch = plan_launches(Pipeline(Settings(_env_file=None, home=tmp_path), NOON), instance)
    config = launch["evaluate"]["run_config"]["ops"]["evaluation__walk_forward"]["config"]
    assert config == {"opening": "due"}
    first, last = launch["evaluate"]["tags"].values()
    held = instance.get_dynamic_partitions("recipe")
    assert (first, last) == (held[0], held[-1])


def test_a_run_begun_just_before_midnight_speaks_for_its_own_day(tmp_path, instance, monkeypatch):
    begun = NOON.replace(hour=23, minute=59, second=58)
    pipeline = Pipeline(Settings(_env_file=None, home=tmp_path, profile="live"))
    pipeline.warehouse.publish()
    monkeypatch.setattr(Pipeline, "now", lambda self: begun)
    day = plan_launches(pipeline, instance)["nightly"]["partition_key"]
    assert day == "2026-03-10"
    # The night itself begins when the records are there, which is tomorrow.
    late = Pipeline(pipeline.settings, begun + timedelta(minutes=9))
    assert late.is_newest(day)
    assert late.as_of(day) == begun.replace(hour=23, minute=0, second=0)
