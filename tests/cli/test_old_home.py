"""A home that an earlier version wrote is opened by every command of this one."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import click
import mlflow
import pandas
import pytest
import typer

from cbi_pipeline.cli import app
from cbi_pipeline.warehouse import Warehouse
from tests.old_home import expected, unpack_home
from tests.system.homes import Home

OWN = "OWN.DESK"
#: What only looks, as a user would type it; {folder} is a place to write to.
LOOKS = {
    "forecast": "forecast --commodity wti",
    "report": "report",
    "catalogue show": "catalogue show",
    "commodity list": "commodity list",
    "recipes list": "recipes list",
    "recipes show": "recipes show tiny",
    "doctor": "doctor",
    "data as-of": f"data as-of 2020-02-12 --series {OWN}",
    "data tables": "data tables latest_forecast",
    "data series": "data series",
    "data features": "data features --commodity wti --as-of 2020-02-12",
    "models list": "models list",
    "models uri": "models uri",
    "feeds list": "feeds list",
    "feeds show": "feeds show eia",
    "feeds check": "feeds check --offline",
    "quarantine list": "quarantine list",
    "archive verify": "archive verify",
    "ledger verify": "ledger verify",
    "panel export": "panel export {folder}/panel.csv",
    "contracts export": "contracts export {folder}/contracts",
}
#: What writes into the home, or goes on until it is stopped.
OTHERS = {
    *("run", "ui", "rebuild", "archive seal", "feeds pull", "feeds parse", "feeds import"),
    *("models promote", "models rollback", "quarantine retry"),
    *("commodity add", "commodity remove", "recipes check", "recipes cost", "recipes try"),
    "ledger accept-clock",
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Home:
    return unpack_home(tmp_path_factory.mktemp("old"))


@pytest.fixture
def old(tmp_path: Path) -> Home:
    """A home of its own for one test to write to."""
    return unpack_home(tmp_path / "old")


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> set[str]:
    if isinstance(command, click.Group):
        return {
            leaf for name, one in command.commands.items() for leaf in leaves(one, (*path, name))
        }
    return {" ".join(path)}


def test_no_command_is_left_out():
    assert leaves(typer.main.get_command(app)) == {*LOOKS, *OTHERS}


@pytest.mark.parametrize("line", LOOKS.values(), ids=LOOKS)
def test_a_command_that_looks_opens_it(cbi_here, unpacked, tmp_path, line):
    arguments = line.format(folder=tmp_path).split()
    done = cbi_here(*arguments, home=unpacked.path, **unpacked.variables)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_forecast_is_the_one_that_was_issued(cbi_here, unpacked):
    done = cbi_here("forecast", "--json", home=unpacked.path, **unpacked.variables)
    (now,), (then,) = (
        json.loads(done.stdout)["commodities"],
        expected()["forecast"]["commodities"],
    )
    for key in ("commodity", "unit", "origin_session", "origin_price", "horizons"):
        assert now[key] == then[key], key


@pytest.mark.slow
def test_a_run_goes_on_from_it(old):
    with Warehouse(old.settings.warehouse_dir).read() as store:
        before = store.table("issued.forecast"), store.table("raw.observation")
    done = old.run()
    assert "wti 1w" in done.stdout
    with Warehouse(old.settings.warehouse_dir).read() as store:
        after = store.table("issued.forecast"), store.table("raw.observation")
    keys = ["track", "as_of", "commodity", "horizon", "quantile", "value"]
    for one, other in zip(before, after, strict=True):
        names = [name for name in keys if name in one.columns] or one.columns
        assert (
            one.select(names)
            .join(other.select(names), on=names, how="anti", nulls_equal=True)
            .is_empty()
        )
    assert old.cbi("ledger", "verify").returncode == 0


@pytest.mark.slow
def test_a_rebuild_gives_what_it_held(old):
    at = datetime(2020, 2, 13, 4, tzinfo=UTC)
    with Warehouse(old.settings.warehouse_dir).read() as store:
        before = store.as_of(at)
    shutil.rmtree(old.settings.warehouse_dir)
    done = old.cbi("rebuild")
    assert done.returncode == 0, done.stderr
    with Warehouse(old.settings.warehouse_dir).read() as store:
        assert store.as_of(at).equals(before)


@pytest.mark.slow
def test_a_version_of_it_can_be_promoted_and_taken_back(old):
    for line in (["promote", "2"], ["rollback"]):
        done = old.cbi("models", *line, "--reason", "a look at the challenger")
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_its_champion_predicts_from_the_frame_exported_for_it(cbi_here, unpacked, tmp_path):
    file = tmp_path / "frame.parquet"
    done = cbi_here("panel", "export", str(file), home=unpacked.path, **unpacked.variables)
    assert done.returncode == 0, done.stderr
    folder = unpacked.cbi("models", "uri").stdout.splitlines()[0]
    model = mlflow.pyfunc.load_model(folder)
    said = model.predict(pandas.read_parquet(file))
    (issued,) = expected()["forecast"]["commodities"]
    assert set(said["commodity"]) == {issued["commodity"]}
    assert set(said["horizon"]) == {one["sessions"] for one in issued["horizons"]}
    assert {f"{day:%Y-%m-%d}" for day in said["target_session"]} == {
        one["target_session"] for one in issued["horizons"]
    }


def test_a_text_format_says_that_its_champion_cannot_read_it(cbi_here, unpacked, tmp_path):
    file = tmp_path / "frame.csv"
    done = cbi_here("panel", "export", str(file), home=unpacked.path, **unpacked.variables)
    assert "reads the .parquet file alone; the next `cbi run`" in done.stderr
