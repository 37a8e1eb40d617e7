"""What MLflow's page can change past the record of decisions, told in words and undone."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient

from cbi_pipeline.registry import Registry, RegistryEmpty
from tests.registry import world
from tests.registry.conftest import House

FIRST = world.decision("prior", "first", version=1)
KEPT = world.decision("gru", "no_skill", number=1)


class Desk:
    """A registry of its own with champion 1 and challenger 2, and the record that says so."""

    def __init__(self, registry: Registry, versions: pl.DataFrame) -> None:
        self.registry = registry
        self.record = world.decisions(FIRST, KEPT), versions
        self.client = MlflowClient(registry.tracking_uri)
        registry.reconcile(*self.record)

    @property
    def aliases(self) -> dict[str, int]:
        found = self.client.get_registered_model(self.registry.name).aliases
        return {alias: int(number) for alias, number in found.items()}

    def words(self) -> list[str]:
        return [one.words for one in self.registry.deviations(*self.record)]

    def undo(self) -> None:
        for one in self.registry.deviations(*self.record):
            if one.undo is not None:
                one.undo()

    def run_of(self, number: int) -> str:
        return str(self.client.get_model_version(self.registry.name, str(number)).run_id)


@pytest.fixture
def desk(house: House, tmp_path: Path) -> Desk:
    place = tmp_path / "mlflow"
    shutil.copytree(house.registry.artifacts_dir.parent, place)
    registry = Registry(
        f"sqlite:///{place / 'mlflow.db'}", place / "artifacts", house.registry.name
    )
    versions = world.versions(*(version.row() for version in house.versions))
    return Desk(registry, versions.with_columns(recipe=pl.Series(["prior", "gru"])))


def test_a_registry_as_the_record_has_it_needs_no_word(desk: Desk) -> None:
    assert desk.words() == []


def test_a_moved_champion_is_put_back_and_the_command_for_it_named(desk: Desk) -> None:
    desk.client.set_registered_model_alias(desk.registry.name, "champion", "2")
    (words,) = desk.words()
    assert words.startswith("the alias champion was moved to version 2 outside the record")
    assert "put back to version 1" in words
    assert "`cbi models promote`" in words
    assert desk.aliases["champion"] == 2, "looking changes nothing"
    desk.undo()
    assert desk.aliases == {"champion": 1, "challenger": 2}
    assert desk.words() == []


@pytest.mark.parametrize(("alias", "number"), [("champion", 1), ("challenger", 2)])
def test_a_deleted_alias_is_set_again(desk: Desk, alias: str, number: int) -> None:
    desk.client.delete_registered_model_alias(desk.registry.name, alias)
    (words,) = desk.words()
    assert (
        f"the alias {alias} was deleted outside the record; it is set to version {number}" in words
    )
    desk.undo()
    assert desk.aliases[alias] == number


def test_a_challenger_that_the_record_calls_for_no_more_is_taken_away(desk: Desk) -> None:
    desk.record = world.decisions(FIRST), desk.record[1]
    (words,) = desk.words()
    assert "challenger was moved to version 2 outside the record; it is taken away" in words
    desk.undo()
    assert desk.aliases == {"champion": 1}


def test_an_alias_on_a_version_that_the_record_does_not_know_says_so(desk: Desk) -> None:
    desk.client.create_model_version(desk.registry.name, source="file:///nowhere")
    desk.client.set_registered_model_alias(desk.registry.name, "champion", "3")
    (words,) = desk.words()
    assert "moved to version 3, which the record does not know, outside the record" in words
    desk.undo()
    assert desk.aliases["champion"] == 1


def test_an_earlier_version_of_the_challenger_s_recipe_may_bear_the_alias(desk: Desk) -> None:
    versions = desk.record[1].with_columns(recipe=pl.lit("gru"))
    desk.record = world.decisions(world.decision("prior", "first", version=1), KEPT), versions
    desk.client.set_registered_model_alias(desk.registry.name, "challenger", "1")
    assert desk.words() == []


def test_aliases_of_other_names_are_left_alone(desk: Desk) -> None:
    desk.client.set_registered_model_alias(desk.registry.name, "staging", "2")
    desk.client.set_registered_model_alias(desk.registry.name, "champion", "2")
    desk.undo()
    assert desk.aliases == {"champion": 1, "challenger": 2, "staging": 2}


@pytest.mark.parametrize(("number", "alias"), [(1, "champion"), (2, "challenger")])
def test_a_deleted_version_is_told_with_what_to_do_and_the_other_alias_stays(
    desk: Desk, number: int, alias: str
) -> None:
    desk.client.delete_model_version(desk.registry.name, str(number))
    (one,) = desk.registry.deviations(*desk.record)
    assert f"version {number}, {alias} by the record, was deleted from the registry" in one.words
    assert "`cbi models promote`" in one.words
    assert "`cbi run`" in one.words
    assert one.undo is None
    assert set(desk.aliases.values()) == {3 - number}


def test_aliases_are_set_without_a_challenger_that_was_deleted(desk: Desk) -> None:
    desk.client.delete_model_version(desk.registry.name, "2")
    assert desk.registry.reconcile(*desk.record) == {"champion": 1}


def test_a_deleted_champion_version_is_not_replaced_in_silence(desk: Desk) -> None:
    desk.client.delete_model_version(desk.registry.name, "1")
    with pytest.raises(RegistryEmpty, match="version 1, champion by the record, was deleted"):
        desk.registry.reconcile(*desk.record)


def test_a_deleted_run_is_restored_so_that_decisions_can_be_kept_with_it(desk: Desk) -> None:
    desk.client.delete_run(desk.run_of(1))
    (words,) = desk.words()
    assert "the run of version 1, champion by the record, was deleted in MLflow" in words
    desk.undo()
    assert desk.words() == []
    desk.registry.record(world.decision("prior", "promote", version=1, number=2))


def test_the_run_of_any_version_can_be_restored(desk: Desk) -> None:
    desk.client.delete_run(desk.run_of(2))
    assert desk.registry.restore_run(2)
    assert not desk.registry.restore_run(2)
    with pytest.raises(RegistryEmpty):
        desk.registry.restore_run(9)
