"""Which Dagster instance the commands use, wherever a private folder was copied from."""

import os
import shutil
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.compute_log_manager import ComputeIOType

from cbi_pipeline.commands.console import Refusal
from cbi_pipeline.commands.instance import TEMPLATE, open_instance, prepare_instance
from cbi_pipeline.settings import Settings
from tests.defs.trees import footprint
from tests.system.homes import Home, copied


@pytest.fixture(autouse=True)
def _no_instance_named(monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path / "home")


def earlier(settings: Settings, named: Path) -> Path:
    """The settings of Dagster as earlier versions wrote them, with the folder that they name."""
    settings.dagster_dir.mkdir(parents=True)
    text = TEMPLATE.read_text().replace(".cbi/dagster", str(named))
    (settings.dagster_dir / "dagster.yaml").write_text(text)
    return settings.dagster_dir


def add_run(instance: dg.DagsterInstance) -> str:
    with instance:
        return instance.create_run_for_job(dg.GraphDefinition("nothing").to_job()).run_id


def at(folder: Path) -> dg.DagsterInstance:
    """As Dagster's own commands open it."""
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder)))


def test_the_instance_lies_in_the_private_folder_with_the_packaged_settings(settings):
    run = add_run(open_instance(settings))
    with at(settings.dagster_dir) as instance:
        assert instance.has_run(run)
        assert not instance.telemetry_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert Path(instance.storage_directory()).is_relative_to(settings.dagster_dir)
    assert os.environ["DAGSTER_HOME"] == str(settings.dagster_dir)


def test_a_copy_keeps_its_runs_to_itself_before_any_command_of_ours(settings, tmp_path):
    add_run(open_instance(settings))
    copy = Settings(home=Path(shutil.copytree(settings.home, tmp_path / "copy")))
    before = footprint(settings.home)
    run = add_run(at(copy.dagster_dir))
    assert footprint(settings.home) == before
    with at(settings.dagster_dir) as instance:
        assert not instance.has_run(run)


def test_a_copy_of_an_earlier_home_names_its_own_and_writes_into_its_own(settings, tmp_path):
    original = tmp_path / "original" / "dagster"
    file = earlier(settings, original) / "dagster.yaml"
    run = add_run(open_instance(settings))
    assert str(original) not in file.read_text()
    assert str(settings.dagster_dir) in file.read_text()
    assert not original.parent.exists()
    with at(settings.dagster_dir) as instance:
        assert instance.has_run(run)


def test_runs_and_output_of_an_earlier_home_are_still_there(settings):
    folder = earlier(settings, settings.dagster_dir)
    instance = at(folder)
    step = ["run", "compute_logs", "x"]
    with instance.compute_log_manager.open_log_stream(step, ComputeIOType.STDOUT) as log:
        log.write("said by a step")
    run = add_run(instance)
    with open_instance(settings) as instance:
        assert instance.has_run(run)
        kept = instance.compute_log_manager.get_log_data(step)
    assert kept.stdout == b"said by a step"


def test_settings_that_are_current_are_not_written_again(settings):
    prepare_instance(settings)
    before = footprint(settings.home)
    prepare_instance(settings)
    assert footprint(settings.home) == before


def test_an_instance_of_the_users_own_is_used_as_it_stands(settings, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    (own / "dagster.yaml").write_text(yaml.safe_dump({"telemetry": {"enabled": False}}))
    monkeypatch.setenv("DAGSTER_HOME", str(own))
    run = add_run(open_instance(settings))
    assert (own / "dagster.yaml").read_text() == yaml.safe_dump({"telemetry": {"enabled": False}})
    assert not settings.dagster_dir.exists()
    with at(own) as instance:
        assert instance.has_run(run)


@pytest.mark.parametrize("name", ["missing", "empty", "relative"])
def test_a_home_of_dagster_that_cannot_be_used_is_named(settings, tmp_path, monkeypatch, name):
    (tmp_path / "empty").mkdir()
    named = str(tmp_path / name) if name != "relative" else "."
    monkeypatch.setenv("DAGSTER_HOME", named)
    with pytest.raises(Refusal, match="DAGSTER_HOME") as caught:
        prepare_instance(settings)
    assert named in str(caught.value)
    assert "unset it" in str(caught.value)
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("kind", ["a private folder", "an earlier one", "the project folder"])
def test_of_our_own_folders_the_one_that_the_settings_name_is_used(
    settings, tmp_path, monkeypatch, kind
):
    other = Settings(home=tmp_path / "other")
    if kind == "a private folder":
        prepare_instance(other)
    else:
        earlier(other, other.dagster_dir)
        other.ledger_dir.mkdir()
        (other.ledger_dir / "manifest.jsonl").touch()
    named = TEMPLATE.parent if kind == "the project folder" else other.dagster_dir
    monkeypatch.setenv("DAGSTER_HOME", str(named))
    assert prepare_instance(settings) == settings.dagster_dir


def test_without_the_packaged_settings_their_path_is_named(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("cbi_pipeline.commands.instance.TEMPLATE", tmp_path / "dagster.yaml")
    with pytest.raises(Refusal, match="install cbi-pipeline anew") as caught:
        prepare_instance(settings)
    assert str(tmp_path / "dagster.yaml") in str(caught.value)


@pytest.mark.slow
def test_a_copied_home_with_nothing_to_do_names_its_own_folder_all_the_same(one_night, tmp_path):
    home = Home(copied(one_night, tmp_path / "home"))
    file = home.settings.dagster_dir / "dagster.yaml"
    file.write_text(TEMPLATE.read_text().replace(".cbi/dagster", str(one_night / "dagster")))
    before = footprint(one_night)
    assert home.run().stdout.startswith("nothing to do")
    assert str(one_night) not in file.read_text()
    assert footprint(one_night) == before
