"""Recipes enter the newest round one by one; complete, it is scored and looked at once."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from cbi_pipeline.catalogue._layers import PACKAGED
from cbi_pipeline.defs.registry.sensors import recipe_sensor, round_sensor
from cbi_pipeline.forecasting import Estimator, TrainingFailed
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.rounds import Round, read_newest_round
from cbi_pipeline.runs.failures import cause_of
from cbi_pipeline.settings import Settings
from data_contracts.evaluation import LOOKS
from tests.catalogues import SMALL
from tests.defs.rounds import enter, judge, look
from tests.system.homes import copied

pytestmark = pytest.mark.slow

OTHER = "other"


@pytest.fixture
def settings(one_night, tmp_path) -> Settings:
    """A home whose round of one challenger is complete and was looked at; a recipe file is new."""
    home = copied(one_night, tmp_path / ".cbi")
    tiny = (PACKAGED.parent / "catalogue" / "recipes" / "tiny.toml").read_text()
    recipe_file(home).parent.mkdir(parents=True)
    recipe_file(home).write_text(tiny.replace("window = 16", "window = 12"))
    return Settings(home=home, catalogue_file=SMALL)


def recipe_file(home: Path) -> Path:
    return home / "catalogue" / "recipes" / f"{OTHER}.toml"


def naming(settings: Settings, *challengers: str) -> Pipeline:
    """The home under a catalogue that sets some recipes against the champion."""
    pipeline = Pipeline(settings)
    asked = pipeline.catalogue.evaluation.model_copy(update={"challengers": challengers})
    vars(pipeline)["catalogue"] = pipeline.catalogue.model_copy(update={"evaluation": asked})
    return pipeline


@pytest.fixture
def joined(settings) -> Pipeline:
    """The home under a catalogue that names the new recipe as well."""
    return naming(settings, "tiny", OTHER)


def newest(pipeline: Pipeline) -> Round:
    with pipeline.warehouse.read() as store:
        found = read_newest_round(store)
    assert found is not None
    return found


def looks(pipeline: Pipeline) -> list[str]:
    with pipeline.warehouse.read() as store:
        ruled = store.table("registry.decision").filter(pl.col("verdict").is_in(LOOKS))
    return ruled.sort("decided_at")["recipe"].to_list()


def evidence(pipeline: Pipeline) -> dict[str, set[str]]:
    """Recipes of each evaluation that is stored."""
    with pipeline.warehouse.read() as store:
        rows = store.query("SELECT DISTINCT evaluation_id, recipe FROM evaluation.forecast")
    return {name: set(own["recipe"]) for (name,), own in rows.group_by("evaluation_id")}


def asked(sensor, pipeline: Pipeline, instance: dg.DagsterInstance) -> dg.SensorResult:
    resources = {"pipeline": pipeline}
    return sensor.evaluate_tick(dg.build_sensor_context(instance, resources=resources))


def failing(monkeypatch, name: str) -> None:
    forecast = Estimator.forecast

    def breaks(self, panel, fold, folder):
        if self.name == name:
            raise TrainingFailed("the loss is not finite at epoch 1")
        return forecast(self, panel, fold, folder)

    monkeypatch.setattr(Estimator, "forecast", breaks)


def test_a_new_recipe_joins_the_newest_round_and_is_looked_at_alone(joined):
    before = newest(joined)
    (stored,) = evidence(joined).values()
    assert enter(joined, [OTHER]).success
    after = newest(joined)
    assert (after.round_id, after.as_of) == (before.round_id, before.as_of)
    assert after.is_complete
    assert {OTHER, *stored} <= max(evidence(joined).values(), key=len)
    assert looks(joined) == ["tiny"]
    look(joined)
    look(joined)
    assert looks(joined) == ["tiny", OTHER]


def test_evidence_that_recipes_gathered_one_by_one_is_that_of_one_run(joined, settings, tmp_path):
    together = naming(
        settings.model_copy(update={"home": copied(settings.home, tmp_path / "together")}),
        *("tiny", OTHER),
    )
    assert enter(together, opening="open").success
    assert enter(joined, [OTHER]).success
    for table in ("fold", "fold_forecast", "score", "absence"):
        frames = []
        for one in (joined, together):
            with one.warehouse.read() as store:
                frames.append(store.table(f"evaluation.{table}"))
        assert frames[0].equals(frames[1]), table


def test_a_round_that_awaits_a_recipe_is_no_evidence_and_no_look(settings):
    three = naming(settings, "tiny", OTHER, "anchored_gru")
    assert enter(three, [OTHER]).success
    assert newest(three).awaited == ["anchored_gru"]
    assert len(evidence(three)) == 1
    look(three)
    assert looks(three) == ["tiny"]


def test_a_recipe_that_failed_in_words_completes_its_round(joined, monkeypatch):
    failing(monkeypatch, OTHER)
    assert enter(joined, [OTHER]).success
    entry = newest(joined).entries.row(by_predicate=pl.col("recipe") == OTHER, named=True)
    assert entry["outcome"] == "failed"
    assert "the loss is not finite at epoch 1" in entry["reason"]
    assert newest(joined).is_complete
    look(joined)
    assert looks(joined) == ["tiny", OTHER]


def test_a_recipe_of_an_edited_file_is_awaited_again(joined, settings):
    assert enter(joined, [OTHER]).success
    file = recipe_file(settings.home)
    file.write_text(file.read_text().replace("window = 12", "window = 8"))
    edited = naming(settings, "tiny", OTHER, "anchored_gru")
    assert enter(edited, ["anchored_gru"]).success
    assert newest(edited).awaited == [OTHER]


def test_a_recipe_that_the_catalogue_drops_is_awaited_no_longer(joined, settings):
    three = naming(settings, "tiny", OTHER, "anchored_gru")
    assert enter(three, ["tiny"]).success
    assert newest(three).awaited == [OTHER, "anchored_gru"]
    assert enter(joined, [OTHER]).success
    assert newest(joined).is_complete


def said(result: dg.ExecuteInProcessResult) -> str:
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    return cause_of(failure.step_failure_data.error)


def test_a_recipe_that_the_catalogue_does_not_name_is_refused_in_words(joined):
    result = enter(joined, ["stranger"])
    assert "stranger: no recipe that faces the gate" in said(result)
    assert f"tiny, {OTHER}" in said(result)


def test_data_that_changed_under_a_round_are_joined_by_no_one(joined):
    other = joined.catalogue.evaluation.model_copy(update={"origins": 10})
    vars(joined)["catalogue"] = joined.catalogue.model_copy(update={"evaluation": other})
    result = enter(joined, [OTHER])
    assert "has changed since it was opened: launch the job evaluate" in said(result)
    assert OTHER not in set().union(*evidence(joined).values())


def test_partitions_follow_the_catalogue_without_a_restart(joined, settings):
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("recipe", ["gone", "tiny"])
        result = asked(recipe_sensor, joined, instance)
        adds, drops = result.dynamic_partitions_requests
        assert (adds.partition_keys, drops.partition_keys) == ([OTHER], ["gone"])


def test_the_sensor_asks_for_one_look_at_each_completion_of_a_round(joined):
    with dg.DagsterInstance.ephemeral() as instance:
        first = asked(round_sensor, joined, instance).run_requests
        assert enter(joined, [OTHER]).success
        second = asked(round_sensor, joined, instance).run_requests
        again = asked(round_sensor, joined, instance).run_requests
    assert len({one.run_key for one in (*first, *second, *again)}) == 2
    assert second[0].run_key == again[0].run_key


def test_the_sensor_waits_for_the_recipes_that_a_round_awaits(settings):
    three = naming(settings, "tiny", OTHER, "anchored_gru")
    assert enter(three, ["tiny"]).success
    with dg.DagsterInstance.ephemeral() as instance:
        tick = asked(round_sensor, three, instance)
    assert not tick.run_requests
    assert tick.skip_message == f"the newest round awaits {OTHER}, anchored_gru"


def test_a_round_that_was_looked_at_by_whomever_is_not_asked_about_again(joined):
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(["registry", "decision"]))
        assert not asked(round_sensor, joined, instance).run_requests


def test_a_complete_round_of_a_home_of_an_earlier_version_is_noted(settings):
    pipeline = naming(settings, "tiny")
    with pipeline.warehouse.write() as store:
        store.remove("evaluation.round", store.table("evaluation.round"))
    pipeline.warehouse.publish()
    judge(pipeline)
    assert newest(pipeline).is_complete
    assert (len(evidence(pipeline)), looks(pipeline)) == (1, ["tiny"])
