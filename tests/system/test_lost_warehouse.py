"""Whole nights around a warehouse that was lost, or whose files were damaged."""

import json
import shutil
from datetime import UTC, datetime

import pytest

from cbi_pipeline.warehouse import Warehouse
from tests.system.homes import Home, copied
from tests.warehouse.damage import harm

pytestmark = pytest.mark.slow
INSTANTS = [datetime(year, 6, 30, tzinfo=UTC) for year in (2012, 2016, 2019, 2020)]


@pytest.fixture
def home(undisturbed, tmp_path):
    return Home(copied(undisturbed.path, tmp_path / ".cbi"))


def known(home):
    with Warehouse(home.settings.warehouse_dir).read() as store:
        return [store.as_of(t, knew).rows() for t in INSTANTS for knew in ("public", "ours")]


def forecast(home):
    return json.loads(home.cbi("forecast", "--json").stdout)["commodities"]


def require_refusal(done, *words):
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "Traceback" not in said
    assert all(word in done.stderr for word in words), done.stderr


def require_as_before(home, before):
    assert home.cbi("rebuild").returncode == 0
    assert known(home) == before[0]
    home.run()
    assert (known(home), forecast(home)) == before
    assert home.cbi("ledger", "verify").returncode == 0
    assert home.cbi("doctor").returncode == 0


@pytest.mark.parametrize("lost", ["warehouse", "warehouse/cbi.duckdb"])
def test_a_night_after_a_loss_asks_for_a_rebuild_and_then_says_what_was_said(home, lost):
    before = known(home), forecast(home)
    path = home.path / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = home.cbi("run")
    require_refusal(done, "cbi.duckdb", "cbi rebuild")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    require_as_before(home, before)


@pytest.mark.parametrize("name", ["zeroed header", "cut to half", "folder"])
def test_a_night_on_a_damaged_database_is_one_line_and_a_rebuild_repairs_it(home, name):
    before = known(home), forecast(home)
    path = home.settings.warehouse_dir / "cbi.duckdb"
    harm(path, name)
    (home.path / "last_night.json").unlink()
    require_refusal(home.cbi("run"), str(path), "cbi rebuild")
    require_as_before(home, before)


@pytest.mark.parametrize("name", ["flipped header", "cut to half"])
def test_a_night_on_a_damaged_snapshot_names_it_and_a_rebuild_repairs_it(home, name):
    before = known(home), forecast(home)
    path = (home.settings.warehouse_dir / "published" / "current").resolve()
    harm(path, name)
    (home.path / "last_night.json").unlink()
    require_refusal(home.cbi("run"), str(path), "cbi rebuild")
    require_as_before(home, before)
