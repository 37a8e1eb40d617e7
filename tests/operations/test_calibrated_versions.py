"""What is issued is what the registry answers, and its calibration keeps up with the outcomes."""

from dataclasses import replace
from types import SimpleNamespace

import mlflow.pyfunc
import polars as pl
import pytest

from cbi_pipeline.forecasting import Calibration
from cbi_pipeline.ingest import fault_log
from cbi_pipeline.operations.calibrate import fit_recipe_calibration
from cbi_pipeline.operations.champion_forecast import forecast_newest
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import load_recipe
from cbi_pipeline.operations.renew_calibration import renew_calibration
from cbi_pipeline.operations.train import ensure_version, register_model
from cbi_pipeline.operations.training_data import load_training_data, narrow
from cbi_pipeline.registry import current_champion
from cbi_pipeline.registry.frame import model_input
from cbi_pipeline.settings import Settings
from tests.catalogues import SMALL
from tests.system.homes import copied

NAMES = ["wti", "gasoline_mn"]


@pytest.fixture
def pipeline(one_night, tmp_path) -> Pipeline:
    return Pipeline(Settings(home=copied(one_night, tmp_path / ".cbi"), catalogue_file=SMALL))


@pytest.fixture
def data(pipeline):
    return load_training_data(pipeline, pipeline.newest_as_of())


def decisions_of(pipeline):
    with pipeline.warehouse.read() as store:
        return store.table("registry.decision")


def test_the_registered_model_answers_what_is_issued_to_the_bit(pipeline, data):
    from cbi_pipeline.features import panel_frame

    number = current_champion(decisions_of(pipeline)).version
    issued = forecast_newest(data, NAMES, pipeline).rows
    served = mlflow.pyfunc.load_model(str(pipeline.registry.find_folder(number)))
    spec = pipeline.registry.load(number).spec
    own = panel_frame(data.rows, data.prices, spec, data.as_of)
    said = pl.from_pandas(served.predict(model_input(own, spec)))
    key = ["commodity", "horizon", "quantile"]
    both = issued.join(said, on=key, suffix="_said")
    assert both.height == issued.height == said.height
    assert both["value"].equals(both["return"].rename("value"))
    assert both["volatility"].equals(both["volatility_said"].rename("volatility"))
    assert both["up"].equals(both["up_said"].rename("up"))
    assert pipeline.registry.load_calibration(number).moves.keys() == set(NAMES)


def register_uncalibrated(pipeline, data):
    """The version in use as if it had been registered before any outcome was public."""
    from cbi_pipeline.evaluation import decision
    from cbi_pipeline.forecasting import Fitted

    number = current_champion(decisions_of(pipeline)).version
    version, model = pipeline.registry.get(number), pipeline.registry.load(number)
    old = register_model(
        model.recipe,
        Fitted(model),
        narrow(data, model.spec.feature_set, pipeline),
        decisions_of(pipeline),
        pipeline,
        calibration=Calibration(),
        weights_of=version,
    )
    row = decision(
        "test", old.recipe, old.recipe, "refresh", "held since",
        decided_at=pipeline.now(), who="refresh", version=old.version,
    )  # fmt: skip
    pipeline.add(
        {
            "registry.version": pl.DataFrame([old.row()]),
            "registry.decision": row.frame(data.as_of),
        }
    )
    return old


def test_the_weights_in_use_are_registered_anew_once_outcomes_have_come(pipeline, data):
    old = register_uncalibrated(pipeline, data)
    renewed, row = renew_calibration(decisions_of(pipeline), data, pipeline)
    assert renewed.fingerprint == old.fingerprint
    assert (renewed.state, renewed.as_of, renewed.code) == (old.state, old.as_of, old.code)
    expected = fit_recipe_calibration(old.recipe, data, pipeline)
    assert pipeline.registry.load_calibration(renewed.version) == expected
    assert sum(expected.count_independent().values()) > 0
    assert row.select("verdict", "who", "version").row(0) == ("refresh", "refresh", renewed.version)
    assert f"Version {renewed.version} is version {old.version} with" in row["reason"][0]


def test_a_version_that_has_learned_of_all_outcomes_stays(pipeline, data):
    before = [version.version for version in pipeline.registry.versions()]
    renewed, row = renew_calibration(decisions_of(pipeline), data, pipeline)
    assert renewed is None
    assert row.is_empty()
    assert [version.version for version in pipeline.registry.versions()] == before


def test_one_that_cannot_be_renewed_goes_on_and_the_fault_is_told(pipeline, data, monkeypatch):
    register_uncalibrated(pipeline, data)

    def refuse(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("cbi_pipeline.operations.renew_calibration.register_model", refuse)
    renewed, row = renew_calibration(decisions_of(pipeline), data, pipeline)
    assert renewed is None
    assert row.is_empty()
    (fault,) = fault_log(pipeline.settings).open("calibration of the version in use")
    assert "could not be calibrated anew: OSError: disk full" in fault.problem


def follow_other_horizons(data, monkeypatch):
    """As if the catalogue had been given other horizons since the version in use was made."""
    steps = tuple(tuple(step + 1 for step in own) for own in data.panel.spec.steps)
    panel = replace(data.panel, spec=replace(data.panel.spec, steps=steps))
    monkeypatch.setattr(
        "cbi_pipeline.operations.renew_calibration.narrow", lambda *_: SimpleNamespace(panel=panel)
    )


def test_a_version_of_other_horizons_without_a_calibration_is_a_fault(pipeline, data, monkeypatch):
    register_uncalibrated(pipeline, data)
    follow_other_horizons(data, monkeypatch)
    renewed, row = renew_calibration(decisions_of(pipeline), data, pipeline)
    assert renewed is None
    assert row.is_empty()
    (fault,) = fault_log(pipeline.settings).open("calibration of the version in use")
    assert "it has none, and was made for other commodities, horizons or columns" in fault.problem


def test_one_that_brings_a_calibration_goes_on_with_it_and_is_no_fault(pipeline, data, monkeypatch):
    follow_other_horizons(data, monkeypatch)
    monkeypatch.setattr("cbi_pipeline.operations.renew_calibration.has_news", lambda *_: True)
    renewed, row = renew_calibration(decisions_of(pipeline), data, pipeline)
    assert renewed is None
    assert row.is_empty()
    assert not fault_log(pipeline.settings).open("calibration of the version in use")


def test_a_version_whose_files_are_damaged_is_trained_again(pipeline, data, monkeypatch):
    monkeypatch.setattr(
        "cbi_pipeline.operations.train.fit_recipe_calibration", lambda *_: Calibration()
    )
    before = pipeline.registry.versions()
    for version in before:
        for file in pipeline.registry.find_folder(version.version).rglob("*.npz"):
            file.write_bytes(b"torn")
        for file in pipeline.registry.find_folder(version.version).rglob("*.safetensors"):
            file.write_bytes(b"torn")
    recipe = load_recipe(current_champion(decisions_of(pipeline)).recipe, pipeline)
    own = narrow(data, recipe.feature_set, pipeline)
    version = ensure_version(recipe, own, decisions_of(pipeline), pipeline, {})
    assert version.version > max(old.version for old in before)
    assert pipeline.registry.load(version.version).spec == own.panel.spec
