"""What is read from MLflow's database alone is what MLflow says, whatever was changed in it."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from mlflow import MlflowClient

from cbi_pipeline.registry import Registry, _sqlite
from cbi_pipeline.registry._aliasing import Aliases
from cbi_pipeline.registry._sqlite import stored_model
from tests.registry.conftest import House


@pytest.fixture
def registry(house: House, tmp_path) -> Registry:
    place = tmp_path / "mlflow"
    shutil.copytree(house.registry.artifacts_dir.parent, place)
    return Registry(f"sqlite:///{place / 'mlflow.db'}", place / "artifacts", house.registry.name)


@pytest.fixture
def client(registry: Registry) -> MlflowClient:
    return MlflowClient(registry.tracking_uri)


@pytest.fixture
def stored(registry: Registry):
    found = stored_model(registry.artifacts_dir.parent / "mlflow.db", registry.name)
    assert found is not None, "MLflow's layout has changed: read it anew, then note its revision"
    return found


def by_mlflow(registry: Registry, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(_sqlite, "REVISION", "another layout")
        return registry.versions()


def test_every_version_is_as_mlflow_says(registry, client, stored, monkeypatch):
    client.set_registered_model_alias(registry.name, "champion", "2")
    client.set_registered_model_alias(registry.name, "staging", "2")
    client.set_model_version_tag(registry.name, "1", "decided", "by a person: it's so")
    found = registry.versions()
    assert found == by_mlflow(registry, monkeypatch)
    assert {"champion", "staging"} <= set(found[1].aliases)
    assert found[0].decided == "by a person: it's so"


def test_a_deleted_version_is_none(registry, client, stored, monkeypatch):
    client.delete_model_version(registry.name, "1")
    assert [one.version for one in registry.versions()] == [2]
    assert registry.versions() == by_mlflow(registry, monkeypatch)
    assert stored.find(1) is None


def test_a_deleted_run_is_told(registry, client, stored):
    aliases = Aliases(client, registry.name)
    assert [stored.is_run_deleted(one) for one in (1, 2)] == [False, False]
    client.delete_run(client.get_model_version(registry.name, "2").run_id)
    assert [stored.is_run_deleted(one) for one in (1, 2)] == [False, True]
    assert aliases.is_run_deleted(2)


def test_aliases_are_as_mlflow_says(registry, client, stored):
    client.set_registered_model_alias(registry.name, "champion", "1")
    assert stored.current() == Aliases(client, registry.name).current()
    assert stored.current()["champion"] == 1
    client.delete_registered_model_alias(registry.name, "champion")
    assert "champion" not in stored.current()


def test_another_model_of_the_same_store_is_left_out(registry, client, stored):
    before, aliases = registry.versions(), stored.current()
    client.create_registered_model("another")
    client.create_model_version("another", str(registry.artifacts_dir))
    client.set_registered_model_alias("another", "somewhere", "1")
    assert registry.versions() == before
    assert stored.current() == aliases


def test_a_database_of_another_layout_is_left_to_mlflow(registry, stored):
    with closing(sqlite3.connect(stored.file)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'later'")
    assert stored_model(stored.file, registry.name) is None


def test_a_file_that_is_no_database_is_left_to_mlflow(tmp_path):
    file = tmp_path / "mlflow.db"
    file.write_text("no database at all")
    assert stored_model(file, "any") is None
    assert stored_model(None, "any") is None
