"""An own history imported into a home of closed records: known since we saw it, row by row."""

from datetime import datetime

import pytest

from cbi_pipeline.warehouse import Warehouse
from tests.catalogues import write_layer
from tests.system.homes import Home, copied
from tests.system.own_history import DAYS, OWN, history, imported

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def desk(one_night, tmp_path_factory):
    """A finished home, two imports of a history restated in between, and one more night."""
    folder = tmp_path_factory.mktemp("own")
    home = Home(copied(one_night, folder / ".cbi"))
    write_layer(home.path, OWN)
    first = imported(home, history(folder / "first.csv", {}))
    second = imported(home, history(folder / "second.csv", {DAYS[100]: 999.99}))
    return home, first, second, home.run().stdout


def value_on(home: Home, instant: datetime) -> str:
    said = home.cbi(
        "data", "as-of", instant.isoformat(), "--series", "DESK.CPO", "--last", "2000"
    ).stdout
    (line,) = [line for line in said.splitlines() if line.startswith(str(DAYS[100]))]
    return line.split()[1]


def test_each_instant_sees_what_was_known_then(desk):
    home, first, second, _ = desk
    assert value_on(home, first) != "999.99"
    assert value_on(home, second) == "999.99"


def test_what_is_known_moves_with_the_import(desk):
    home, first, second, said = desk
    with Warehouse(home.settings.warehouse_dir).read() as store:
        newest = store.query("SELECT max(available_at) AS at FROM raw.observation")["at"][0]
        issued = store.table("issued.forecast", "track = 'live'")["as_of"].max()
        told = store.table("registry.decision")
    assert first < newest < second
    assert issued == newest
    assert f"({newest:%H:%M} UTC)" in said
    assert told["decided_at"].min() < newest
    assert told["as_of"].max() == newest


def test_its_history_becomes_rows_and_all_markets_are_forecast(desk):
    home, *_ = desk
    with Warehouse(home.settings.warehouse_dir).read() as store:
        rows = store.table("features.origin", "commodity = 'cpo'")
        issued = store.table("issued.forecast", "track = 'live'")
    newest = issued.filter(issued["as_of"] == issued["as_of"].max())
    assert rows["session"].to_list() == list(DAYS)
    assert set(newest["commodity"]) == {"wti", "gasoline_mn", "cpo"}


def test_a_second_run_has_nothing_to_do(desk):
    home, *_ = desk
    assert home.run().stdout.startswith("nothing to do")


def test_a_rebuild_knows_the_same_at_each_instant(desk):
    home, first, second, _ = desk
    assert home.cbi("rebuild").returncode == 0
    assert value_on(home, first) != "999.99"
    assert value_on(home, second) == "999.99"
