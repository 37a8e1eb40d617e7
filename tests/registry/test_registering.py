from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from cbi_pipeline.registry import Registry
from data_contracts.evaluation import VERSION
from tests.registry import world
from tests.registry.conftest import House


@pytest.fixture(scope="module")
def run(house: House) -> Run:
    return MlflowClient(house.registry.tracking_uri).get_run(house.versions[0].run_id)


def runs(registry: Registry) -> list[Run]:
    client = MlflowClient(registry.tracking_uri)
    experiment = client.get_experiment_by_name(registry.name)
    return client.search_runs([experiment.experiment_id]) if experiment else []


def folder(registry: Registry, run: Run) -> Path:
    """The files of a run, where its address says that they are."""
    return registry.artifacts_dir / run.info.artifact_uri.removeprefix("mlflow-artifacts:/")


def test_versions_count_from_one_in_the_order_of_registration(house: House) -> None:
    assert [found.version for found in house.registry.versions()] == [1, 2]
    found = [version.fingerprint for version in house.registry.versions()]
    assert found == [model.fingerprint() for model in house.models]


def test_a_version_is_a_row_of_the_version_table(house: House) -> None:
    rows = pl.DataFrame([version.row() for version in house.versions], schema=VERSION.dtypes)
    VERSION.validate(rows)
    assert rows["as_of"].to_list() == [world.AS_OF] * 2


def test_the_same_model_on_the_same_state_is_registered_once(house: House) -> None:
    before = len(runs(house.registry))
    again = house.registry.register(house.models[1], **world.candidate(state="6" * 64))
    assert again.row() == house.versions[1].row()
    assert len(runs(house.registry)) == before


def test_the_same_model_on_another_state_is_another_version(registry: Registry) -> None:
    model = world.forecaster()
    first = registry.register(model, **world.candidate(state="1" * 64))
    second = registry.register(model, **world.candidate(state="2" * 64))
    assert (first.version, second.version) == (1, 2)
    assert first.fingerprint == second.fingerprint


def test_the_same_model_of_other_code_is_another_version(registry: Registry) -> None:
    model = world.forecaster()
    first = registry.register(model, **world.candidate())
    other = replace(world.PROVENANCE, code="e" * 64)
    second = registry.register(model, **world.candidate(provenance=other))
    assert (first.version, second.version) == (1, 2)
    assert (first.code, second.code) == ("d" * 64, "e" * 64)


def test_two_registrations_at_once_make_one_version(registry: Registry) -> None:
    model = world.forecaster()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(registry.register, model, **world.candidate()) for _ in range(2)]
    assert both[0].result() == both[1].result()
    assert len(registry.versions()) == len(runs(registry)) == 1


def test_the_run_names_recipe_state_code_and_decision(house: House, run: Run) -> None:
    recipe = house.models[0].recipe
    expected = {
        "state": world.STATE,
        "as_of": "2020-02-12T15:30:00+00:00",
        "catalogue": world.PROVENANCE.catalogue,
        "contracts": '{"table features.origin": "1.0.0"}',
        "recipe": recipe.name,
        "recipe_id": recipe.identity(),
        "fingerprint": house.models[0].fingerprint(),
        "verdict": "first",
        "decision_id": "tiny-first-0",
    }
    assert expected.items() <= run.data.tags.items()
    assert "git_commit" not in run.data.tags
    assert run.data.params["window"] == str(recipe.window)
    assert run.data.params["training.optimiser.rate"] == str(recipe.training.optimiser.rate)
    assert run.info.status == "FINISHED"


def test_own_scores_become_metrics_and_all_scores_a_file(house: House, run: Run) -> None:
    own = {name: value for name, value in run.data.metrics.items() if name.startswith("score/")}
    together = {"score/crps/all/all": 0.013, "score/bias/all/all": 0.03}
    assert own == {"score/crps/wti/1w": 0.012, **together}
    assert run.data.metrics["calibrated/crps/wti/1w"] == 0.014
    packed = (folder(house.registry, run) / "scores.csv.gz").read_bytes()
    text = gzip.decompress(packed).decode()
    assert "prior,wti,1w,crps,0.011" in text
    assert "tiny,wti,1w,bias,0.02" in text


def test_a_decision_on_a_version_is_kept_in_its_run_and_said_by_the_version(house: House) -> None:
    row = world.decision("tiny", "hold", version=2, who="refresh")
    house.registry.record(row)
    version = house.registry.get(2)
    assert version.decided == "hold, refresh: made for a test"
    client = MlflowClient(house.registry.tracking_uri)
    run = client.get_run(version.run_id)
    file = folder(house.registry, run) / "decisions" / f"{row['decision_id']}.json"
    kept = json.loads(file.read_text())
    assert (kept["verdict"], kept["version"]) == ("hold", 2)


def test_the_learning_curve_is_kept_by_epoch(house: House) -> None:
    client = MlflowClient(house.registry.tracking_uri)
    history = client.get_metric_history(house.versions[0].run_id, "curve/validation_loss")
    assert [(point.step, point.value) for point in history] == [(0, 0.5), (1, 0.3)]
    trained = client.get_metric_history(house.versions[0].run_id, "curve/train_loss")
    assert [(point.step, point.value) for point in trained] == [(1, 0.4)]


def test_figures_handed_in_are_kept_as_they_are(house: House, run: Run) -> None:
    path = folder(house.registry, run) / "figures" / "curve.png"
    assert path.read_bytes() == b"\x89PNG made for a test"


def test_trace_gives_back_the_decision_and_the_recipe(house: House) -> None:
    traced = house.registry.trace(1)
    assert traced.version == house.registry.get(1)
    assert traced.decision is not None
    assert traced.decision["verdict"] == "first"
    assert json.loads(traced.parameters["levels"]) == list(house.models[0].recipe.levels)
    assert house.registry.trace(2).decision is None


def test_a_calendar_too_short_for_the_longest_horizon_is_refused(registry: Registry) -> None:
    short = world.calendar(80)
    with pytest.raises(ValueError, match=r"wti: the calendar must run .* at least 21 sessions"):
        registry.register(world.forecaster(), **world.candidate(calendar=short))
    assert runs(registry) == []


def test_a_frame_of_other_columns_is_refused_by_name(registry: Registry) -> None:
    frame = world.panel_frame().rename({"carry": "carrie"})
    with pytest.raises(ValueError, match=r"missing \['carry'\], unknown \['carrie'\]"):
        registry.register(world.forecaster(), **world.candidate(panel_frame=frame))
    assert runs(registry) == []


def test_too_short_a_history_is_refused_by_commodity(registry: Registry) -> None:
    frame = world.panel_frame().filter(
        (pl.col("commodity") == "wti") | (pl.col("session") > pl.date(2020, 1, 1))
    )
    with pytest.raises(ValueError, match=r"gasoline_mn has 6 rows, the model reads 16"):
        registry.register(world.forecaster(), **world.candidate(panel_frame=frame))


def test_an_as_of_without_zone_is_refused(registry: Registry) -> None:
    naive = world.AS_OF.replace(tzinfo=None)
    with pytest.raises(ValueError, match="zone"):
        registry.register(world.forecaster(), **world.candidate(as_of=naive))


@pytest.mark.parametrize("price", [-37.63, 0.0])
def test_a_newest_price_without_a_log_return_keeps_no_model_from_being_registered(
    registry: Registry, price: float
) -> None:
    frame = world.panel_frame()
    newest = frame.filter(commodity="wti")["session"].max()
    fallen = (pl.col("commodity") == "wti") & (pl.col("session") == newest)
    below = frame.with_columns(price=pl.when(fallen).then(price).otherwise("price"))
    version = registry.register(world.forecaster(7), **world.candidate(panel_frame=below))
    assert registry.load(version.version).fingerprint() == world.forecaster(7).fingerprint()
