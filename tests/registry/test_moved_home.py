"""A store whose folder was moved or copied: MLflow names whole addresses, and they stay behind."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from cbi_pipeline.registry import (
    Registry,
    RegistryDamaged,
    RegistryEmpty,
    RegistryError,
    RegistryMoved,
)
from tests.registry import world
from tests.registry.conftest import House

LOAD = "import mlflow, sys; mlflow.pyfunc.load_model('models:/' + sys.argv[1] + '/1')"


def standing_in(place: Path, name: str) -> Registry:
    return Registry(f"sqlite:///{place / 'mlflow.db'}", place / "artifacts", name)


@pytest.fixture
def moved(house: House, tmp_path: Path) -> Registry:
    """A store with two versions, moved to a folder whose name needs care; the old one is gone."""
    before, after = tmp_path / "before", tmp_path / "my disk_%"
    shutil.copytree(house.registry.artifacts_dir.parent, before)
    standing_in(before, house.registry.name).relocate()
    return standing_in(before.rename(after), house.registry.name)


def addresses(registry: Registry) -> list[str]:
    client = MlflowClient(registry.tracking_uri)
    versions = client.search_model_versions(f"name = '{registry.name}'")
    models = [client.get_logged_model(found.tags["model_id"]) for found in versions]
    return [
        *(str(found.source) for found in versions),
        *(
            client.get_model_version_download_uri(registry.name, found.version)
            for found in versions
        ),
        *(client.get_run(str(found.run_id)).info.artifact_uri for found in versions),
        *(model.artifact_location for model in models),
    ]


@pytest.mark.parametrize("use", ["load", "get", "trace", "register", "record"])
def test_nothing_of_the_old_place_is_read_or_written(moved: Registry, use: str) -> None:
    acts = {
        "load": lambda: moved.load(1),
        "get": lambda: moved.get(1),
        "trace": lambda: moved.trace(1),
        "register": lambda: moved.register(world.forecaster(3), **world.candidate()),
        "record": lambda: moved.record(world.decision("tiny", "hold", version=1)),
    }
    with pytest.raises(RegistryMoved, match=r"run `cbi models relocate`$") as error:
        acts[use]()
    assert str(moved.artifacts_dir) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_relocated_store_loads_what_was_registered(moved: Registry, house: House) -> None:
    assert moved.relocate() == {1: None, 2: None}
    assert [moved.load(n).fingerprint() for n in (1, 2)] == [
        model.fingerprint() for model in house.models
    ]
    place = (moved.artifacts_dir / moved.name).as_uri()
    assert all(address.startswith(f"{place}/") for address in addresses(moved))


def test_a_program_that_knows_only_the_store_loads_from_the_new_place(moved: Registry) -> None:
    moved.relocate()
    found = subprocess.run(
        [sys.executable, "-c", LOAD, moved.name],
        env={"MLFLOW_TRACKING_URI": moved.tracking_uri},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr


def test_a_second_time_there_is_nothing_to_do(moved: Registry, house: House) -> None:
    moved.relocate()
    assert moved.relocate() == {}
    assert house.registry.relocate() == {}


def test_another_model_of_the_store_keeps_its_addresses(moved: Registry) -> None:
    client = MlflowClient(moved.tracking_uri)
    place = f"{client.get_experiment_by_name(moved.name).artifact_location}-of-another"
    client.create_experiment("another", artifact_location=place)
    moved.relocate()
    assert client.get_experiment_by_name("another").artifact_location == place


def weights(registry: Registry) -> list[Path]:
    return sorted(registry.artifacts_dir.glob(f"{registry.name}/**/weights.safetensors"))


def test_files_that_did_not_come_along_are_asked_for_and_nothing_is_changed(
    moved: Registry,
) -> None:
    before = addresses(moved)
    for path in weights(moved):
        path.unlink()
    with pytest.raises(
        RegistryDamaged, match=r"move them here from .*weights\.safetensors is miss"
    ):
        moved.relocate()
    assert addresses(moved) == before


def test_a_version_that_is_not_whole_is_named_and_keeps_no_other_from_use(moved: Registry) -> None:
    weights(moved)[0].unlink()
    found = moved.relocate()
    (lost,) = (number for number, fault in found.items() if fault)
    assert "weights.safetensors is missing" in str(found[lost])
    assert moved.load(3 - lost)
    with pytest.raises(RegistryDamaged, match=r"weights\.safetensors is missing"):
        moved.load(lost)


def test_a_store_that_cannot_be_written_is_left_as_it_was(moved: Registry) -> None:
    before = addresses(moved)
    database = moved.tracking_uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(database)) as other, other:
        other.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON model_versions "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    with pytest.raises(RegistryError, match=r"disk is full; nothing was changed$"):
        moved.relocate()
    assert addresses(moved) == before


def test_a_home_reached_by_a_link_has_not_moved(house: House, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(house.registry.artifacts_dir.parent)
    assert standing_in(link, house.registry.name).load(1)


def test_without_a_store_there_is_nothing_to_relocate(tmp_path: Path) -> None:
    absent = Registry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artifacts")
    with pytest.raises(RegistryEmpty):
        absent.relocate()
    assert not absent.artifacts_dir.exists()
