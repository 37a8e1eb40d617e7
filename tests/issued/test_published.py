"""The published tables: what their contracts say they are, and the newest forecast alone."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from cbi_pipeline import connect
from cbi_pipeline.issued import ABSTAINS, IssuedLedger, Status, abstentions
from cbi_pipeline.settings import PROJECT_ROOT
from cbi_pipeline.warehouse import Warehouse
from data_contracts.documentation import describe
from data_contracts.published import PUBLISHED
from tests.issued.spoken import LEVELS, MONDAY, spoken, unchained

TUESDAY, LATER = MONDAY + timedelta(days=1), MONDAY + timedelta(hours=5)


class Desk:
    """A home into which forecasts are issued, one after the other."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.issue(unchained(spoken()))

    def issue(self, rows: pl.DataFrame, silent: tuple[str, ...] = (), as_of=MONDAY) -> None:
        warehouse = Warehouse(self._home / "warehouse")
        given = [Status(name, ABSTAINS, "its prices are too old") for name in silent]
        with warehouse.write() as store:
            ledger = IssuedLedger(store, self._home / "issued")
            ledger.append(rows, abstentions(given, track="live", as_of=as_of))
        warehouse.publish()

    def newest(self) -> pl.DataFrame:
        with connect(self._home) as connection:
            return connection.sql("FROM latest_forecast").pl()


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("view", PUBLISHED)
def test_a_view_has_the_columns_of_its_contract(desk, tmp_path, view):
    with connect(tmp_path) as connection:
        stored = connection.execute(f"DESCRIBE pub.{view}").fetchall()
    spelled = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    found = [(name, spelled.get(kind, kind)) for name, kind, *_ in stored]
    assert found == [(name, kind) for name, kind, *_ in describe(PUBLISHED[view])]


def test_no_view_is_left_out(desk, tmp_path):
    with connect(tmp_path) as connection:
        rows = connection.execute(
            "SELECT view_name FROM duckdb_views() WHERE schema_name = 'pub'"
        ).fetchall()
    assert {name for (name,) in rows} == set(PUBLISHED)


def test_the_newest_forecast_is_a_row_per_commodity_horizon_and_quantile(desk):
    desk.issue(unchained(spoken(TUESDAY, price=60.0), previous=unchained(spoken())), as_of=TUESDAY)
    newest = desk.newest()
    key = ["commodity", "horizon", "quantile"]
    assert len(newest) == 2 * 2 * len(LEVELS) == len(newest.unique(key))
    assert set(newest["as_of"]) == {TUESDAY}
    assert set(newest["origin_price"]) == {60.0}
    assert newest.equals(newest.sort(key))


def test_a_commodity_that_abstains_is_absent(desk):
    desk.issue(unchained(spoken(TUESDAY, ["wti"])), ("gasoline_mn",), TUESDAY)
    assert set(desk.newest()["commodity"]) == {"wti"}


def test_when_all_abstain_nothing_of_an_earlier_day_is_left(desk):
    desk.issue(unchained().clear(), ("wti", "gasoline_mn"), TUESDAY)
    assert desk.newest().is_empty()


def test_of_several_of_one_day_the_last_counts(desk):
    desk.issue(unchained(spoken(LATER, price=51.0)), as_of=LATER)
    assert set(desk.newest()["as_of"]) == {LATER}


def test_of_several_of_one_instant_the_last_issued_counts_whatever_its_version(desk):
    for model in ("7", "3"):
        desk.issue(unchained(spoken(horizons=(1, 5), model=model)))
    assert set(desk.newest()["model_version"]) == {"3"}


def test_a_replay_is_no_newest_forecast(desk):
    replay = unchained(spoken(TUESDAY)).with_columns(track=pl.lit("replay"))
    desk.issue(replay)
    assert set(desk.newest()["as_of"]) == {MONDAY}


def test_the_package_opens_them_and_is_light_to_import():
    code = (
        "import sys, cbi_pipeline; print({'duckdb', 'polars', 'pydantic'} & set(sys.modules));"
        "print(cbi_pipeline.connect.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["set()", "connect"]


def test_a_connection_writes_nothing(desk, tmp_path):
    with connect(tmp_path) as connection, pytest.raises(duckdb.Error):
        connection.execute("CREATE TABLE pub.mine (a INT)")
