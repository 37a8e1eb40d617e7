"""The warehouse made again from the ledger is the warehouse there was."""

import random
import shutil
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.ingest._rebuild import RebuildRefused
from cbi_pipeline.ledger import LedgerDamaged
from cbi_pipeline.market import build_sessions
from cbi_pipeline.warehouse import Store, Warehouse
from data_contracts import contract
from data_contracts.eia_spot import EIA_SPOT_DAILY
from data_contracts.families import FAMILIES
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import eia_installation
from tests.feed_servers.test_nights import BEGIN, kill_once, publish_year
from tests.ingest.mixed_home import BRENT, Home, assert_same, mixed_home
from tests.warehouse.frames import rows_for

STRICTER = replace(EIA_SPOT_DAILY, version="9.0.0", bounds={"USD/bbl": (-500.0, 55.0)})
BUILT = ("market.session", "features.origin", "features.generation", "features.target")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Home:
    return mixed_home(tmp_path_factory.mktemp("mixed") / "home")


@pytest.fixture
def home(built, tmp_path) -> Home:
    return replace(built, root=shutil.copytree(built.root, tmp_path / "home", symlinks=True))


def assert_rebuilt(home: Home, feeds: set[str]) -> None:
    before = home.content()
    assert set(before["ledger.txn"]["feed"]) == feeds
    assert set(before["raw.observation"]["status"]) >= {"value", "missing", "withdrawn"}
    assert before["quarantine.row"]["rule"].to_list() == ["bounds"]
    done = home.rebuild()
    assert_same(before, home.content())
    assert done.state == before["ledger.txn"]["state_after"][-1]
    assert (done.transactions, done.changed_from) == (len(before["ledger.txn"]), None)


def test_every_ingested_table_is_the_same_row_for_row(home):
    assert_rebuilt(home, {"csv:DESK.CPO", "clock", "eia", "cftc"})


@pytest.mark.slow
def test_with_the_archive_beside_live_feeds_it_is_the_same_too(tmp_path, shipped):
    home = mixed_home(tmp_path / "home", shipped)
    assert_rebuilt(home, {"archive", "csv:DESK.CPO", "clock", "eia", "cftc"})


@pytest.mark.slow
def test_a_lost_warehouse_comes_back_from_the_ledger_alone(home):
    before = home.content()
    shutil.rmtree(home.root / "warehouse")
    home.rebuild()
    assert_same(before, home.content())


def test_what_was_issued_and_decided_is_carried_over_from_a_snapshot_if_need_be(home):
    names = ("issued.forecast", "registry.version", "evaluation.score", "market.session")
    with home.warehouse.write() as store:
        for name in names:
            store.append(name, rows_for(contract(name), 4))
    home.warehouse.publish()
    (home.root / "warehouse" / "cbi.duckdb").write_bytes(b"no database" * 1000)
    done = home.rebuild()
    assert {name: done.carried[name] for name in names} == dict.fromkeys(names, 4)
    for name in names:
        assert home.table(name).equals(rows_for(contract(name), 4).sort(contract(name).key))


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_bytes_that_are_not_as_stored_stop_it_before_anything_is_written(home, harm):
    before = home.content()
    victim = home.root / "ledger" / before["ledger.response"]["blob"][2]
    victim.unlink() if harm == "missing" else victim.write_bytes(b"x" + victim.read_bytes())
    with pytest.raises(LedgerDamaged, match=victim.name):
        home.rebuild()
    assert_same(before, home.content())
    with home.warehouse.write() as store:
        assert len(store.table("raw.observation")) == len(before["raw.observation"])


def test_a_response_missing_from_the_manifest_is_named(home):
    manifest = home.root / "ledger" / "manifest.jsonl"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(LedgerDamaged, match=r"transaction 7 \(csv:DESK\.CPO\) used response"):
        home.rebuild()


def test_a_log_with_a_gap_is_refused(home):
    log = home.root / "ledger" / "transactions.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:2] + lines[3:]))
    with pytest.raises(LedgerDamaged, match="from 1 to 7 and has 6"):
        home.rebuild()


def test_nothing_to_rebuild_from_is_said(tmp_path):
    with pytest.raises(RebuildRefused, match="cbi run"):
        Home(tmp_path, {}).rebuild()


def test_another_state_under_the_same_contracts_leaves_the_old_warehouse(home, monkeypatch):
    before = home.content()
    stricter = replace(EIA_SPOT_DAILY, bounds={"USD/bbl": (-500.0, 55.0)})
    monkeypatch.setitem(FAMILIES, "eia_spot_daily", stricter)
    with pytest.raises(RebuildRefused, match=r"transaction 3 .*left as it was"):
        home.rebuild()
    assert_same(before, home.content())


@pytest.mark.slow
def test_a_stricter_contract_sets_more_aside_and_says_from_where(home, monkeypatch):
    monkeypatch.setitem(FAMILIES, "eia_spot_daily", STRICTER)
    dear = pl.col("value") > 55.0
    count = home.table("raw.observation").filter(series_id=BRENT).filter(dear).height
    assert count
    assert home.rebuild().changed_from == 3
    assert home.table("raw.observation").filter(series_id=BRENT).filter(dear).is_empty()
    aside = home.table("quarantine.row").filter(series_id=BRENT)
    assert aside.filter(contract_version="9.0.0").height == count


def fill(home: Home, *names: str) -> None:
    with home.warehouse.write() as store:
        for name in names:
            store.append(name, rows_for(contract(name), 4))
    home.warehouse.publish()


@pytest.mark.slow
def test_what_was_built_under_other_contracts_is_left_to_the_next_night(home, monkeypatch):
    fill(home, *BUILT, "issued.forecast")
    monkeypatch.setitem(FAMILIES, "eia_spot_daily", STRICTER)
    done = home.rebuild()
    assert {name: done.carried[name] for name in BUILT} == dict.fromkeys(BUILT, 0)
    assert all(home.table(name).is_empty() for name in BUILT)
    assert len(home.table("issued.forecast")) == 4


def test_what_was_built_stays_where_other_contracts_judge_alike(home, monkeypatch):
    fill(home, *BUILT)
    built = {name: len(home.table(name)) for name in BUILT}
    alike = replace(FAMILIES["eia_spot_daily"], version="9.0.0")
    monkeypatch.setitem(FAMILIES, "eia_spot_daily", alike)
    done = home.rebuild()
    assert done.changed_from is None
    assert {name: done.carried[name] for name in BUILT} == built


@pytest.mark.slow
def test_what_was_built_under_contracts_since_taken_back_is_left_too(home, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(FAMILIES, "eia_spot_daily", STRICTER)
        home.rebuild()
    fill(home, *BUILT)
    done = home.rebuild()
    assert done.changed_from is None
    assert {name: done.carried[name] for name in BUILT} == dict.fromkeys(BUILT, 0)


@pytest.mark.slow
def test_prices_after_a_stricter_contract_are_those_of_the_values_that_are_left(home, monkeypatch):
    live = load_catalogue(profile="live").commodities
    brent = next(one for one in live if one.price_series == BRENT)

    def night() -> pl.DataFrame:
        built = build_sessions(home.table("raw.observation"), brent)
        with home.warehouse.write() as store:
            held = store.table("market.session")
            keys = contract("market.session").key
            store.append("market.session", built.join(held, on=keys, how="anti"))
        home.warehouse.publish()
        return built.sort(keys)

    assert (night()["price"] > 55.0).any()
    monkeypatch.setitem(FAMILIES, "eia_spot_daily", STRICTER)
    home.rebuild()
    left = night()
    assert not (left["price"] > 55.0).any()
    assert home.table("market.session").equals(left)


@pytest.mark.slow
def test_a_looser_contract_does_not_make_known_then_what_was_refused_then(home, monkeypatch):
    before = home.content()
    looser = replace(EIA_SPOT_DAILY, version="9.0.0", bounds={"USD/bbl": (-500.0, 9000.0)})
    monkeypatch.setitem(FAMILIES, "eia_spot_daily", looser)
    assert home.rebuild().changed_from is None
    after = home.content()
    assert after["raw.observation"].equals(before["raw.observation"])
    assert after["quarantine.row"].equals(before["quarantine.row"])


class Killed(BaseException):
    """Stands for a process that died; nothing may catch it."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "step", "survive"),
    [
        (Store, "append", 5),
        (Store, "record", 0),
        (Store, "record", 4),
        (Store, "replace", 11),
        (Store, "state", 7),
        (Warehouse, "publish", 0),
    ],
)
def test_a_rebuild_killed_anywhere_leaves_what_was_and_the_next_one_goes_through(
    home, monkeypatch, owner, step, survive
):
    before = home.content()
    whole, left = getattr(owner, step), iter(range(survive))

    def mortal(self, *args, **kwargs):
        if next(left, None) is None:
            raise Killed
        return whole(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, mortal)
        with pytest.raises(Killed):
            home.rebuild()
    assert_same(before, home.content())
    home.warehouse.publish()
    assert_same(before, home.content())
    home.rebuild()
    assert_same(before, home.content())


def rebuilt_after_kills(tmp_path, monkeypatch, nights, kills, seed):
    """Nights with kills at random places; after each, a rebuild gives what is stored."""
    chance = random.Random(seed)
    with EiaServer() as server:
        publish_year(server, chance, nights)
        one = eia_installation(tmp_path / "home", server)
        for night in range(nights):
            now = server.publisher.now = BEGIN + timedelta(days=night)
            if night >= nights - kills:
                kill_once(one, now, chance, monkeypatch)
            one.night(now)
            one.warehouse.publish()
    home = Home(one.home, {"eia": one.feed})
    before = home.content()
    home.rebuild()
    assert_same(before, home.content())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 3))
def test_nights_with_kills_are_rebuilt_to_the_same_rows(tmp_path, monkeypatch, seed):
    rebuilt_after_kills(tmp_path, monkeypatch, nights=20, kills=15, seed=seed)
