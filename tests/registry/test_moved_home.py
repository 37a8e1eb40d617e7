"""A home that was moved or copied needs nothing; one of an earlier version is brought over once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from cbi_pipeline.registry import Registry, RegistryDamaged, RegistryError
from tests.registry import world
from tests.registry.conftest import House

LOAD = "import mlflow, sys; mlflow.pyfunc.load_model(sys.argv[1])"


def registry_in(place: Path, name: str) -> Registry:
    return Registry(f"sqlite:///{place / 'mlflow.db'}", place / "artifacts", name)


@pytest.fixture
def moved(house: House, tmp_path: Path) -> Registry:
    """A store with two versions, moved to a folder whose name needs care; the old one is gone."""
    before, after = tmp_path / "before", tmp_path / "my disk_%"
    shutil.copytree(house.registry.artifacts_dir.parent, before)
    return registry_in(before.rename(after), house.registry.name)


@pytest.fixture
def earlier(moved: Registry) -> Registry:
    """The same store as an earlier version made it, with the folder it once lay in."""
    with closing(sqlite3.connect(database(moved))) as store, store:
        for table, column in (
            *(("experiments", "artifact_location"), ("logged_models", "artifact_location")),
            *(("runs", "artifact_uri"), ("model_versions", "source")),
            ("model_versions", "storage_location"),
        ):
            store.execute(
                f"UPDATE {table} SET {column} = "
                f"replace({column}, 'mlflow-artifacts:/', 'file:///gone/.cbi/mlflow/artifacts/')"
            )
    return moved


def database(registry: Registry) -> Path:
    return Path(registry.tracking_uri.removeprefix("sqlite:///"))


def dump(registry: Registry) -> str:
    with closing(sqlite3.connect(database(registry))) as store:
        return "\n".join(store.iterdump())


def check_use(registry: Registry, house: House) -> None:
    """Old versions load, and new ones are registered and decided on."""
    assert [registry.load(n).fingerprint() for n in (1, 2)] == [
        model.fingerprint() for model in house.models
    ]
    assert registry.trace(1).decision == house.registry.trace(1).decision
    new = registry.register(world.forecaster(3), **world.candidate())
    assert registry.load(new.version)
    registry.record(world.decision("tiny", "hold", version=1))


def test_the_store_names_no_folder(house: House) -> None:
    kept = dump(house.registry)
    assert str(house.registry.artifacts_dir.parent) not in kept
    assert "file:" not in kept


def test_a_moved_home_is_used_as_before(moved: Registry, house: House) -> None:
    check_use(moved, house)


def test_a_home_and_its_copy_are_both_used_and_leave_each_other_alone(
    house: House, moved: Registry, tmp_path: Path
) -> None:
    copy = registry_in(
        shutil.copytree(moved.artifacts_dir.parent, tmp_path / "copy"), house.registry.name
    )
    check_use(copy, house)
    assert [version.version for version in moved.versions()] == [1, 2]
    check_use(moved, house)


def test_a_program_that_has_nothing_but_the_folder_loads_from_it(moved: Registry) -> None:
    folder = moved.find_folder(1)
    assert folder is not None
    assert folder.is_relative_to(moved.artifacts_dir)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_home_of_an_earlier_version_is_brought_over(earlier: Registry, house: House) -> None:
    check_use(earlier, house)
    left = dump(earlier)
    assert not any(f"/gone/.cbi/mlflow/artifacts/{earlier.name}{end}" in left for end in "/'")


def test_it_is_brought_over_once(earlier: Registry) -> None:
    earlier.migrate()
    before = dump(earlier)
    earlier.migrate()
    assert dump(earlier) == before


def test_another_model_of_the_store_keeps_its_addresses(earlier: Registry) -> None:
    client = MlflowClient(earlier.tracking_uri)
    root = f"{client.get_experiment_by_name(earlier.name).artifact_location}-of-another"
    client.create_experiment("another", artifact_location=root)
    earlier.migrate()
    assert client.get_experiment_by_name("another").artifact_location == root


def test_a_store_that_cannot_be_written_is_left_as_it_was(earlier: Registry) -> None:
    with closing(sqlite3.connect(database(earlier))) as other, other:
        other.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON model_versions "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    before = dump(earlier)
    with pytest.raises(RegistryError, match=r"disk is full; nothing was changed$"):
        earlier.get(1)
    assert dump(earlier) == before


def test_files_that_did_not_come_along_are_named(moved: Registry) -> None:
    for path in moved.artifacts_dir.glob(f"{moved.name}/**/weights.safetensors"):
        path.unlink()
    with pytest.raises(RegistryDamaged, match=r"weights\.safetensors is missing"):
        moved.load(1)


def test_without_a_store_nothing_is_made(tmp_path: Path) -> None:
    absent = Registry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artifacts")
    absent.migrate()
    assert not absent.artifacts_dir.exists()
    assert not database(absent).exists()
