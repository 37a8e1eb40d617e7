"""A rebuild by the rules of today: what changes is listed first, and later rebuilds keep to it."""

import shutil
from dataclasses import replace

import pytest

from cbi_pipeline import ingest
from cbi_pipeline.warehouse import Warehouse
from data_contracts.eia_spot import EIA_SPOT_DAILY
from data_contracts.families import FAMILIES
from tests.ingest.mixed_home import BRENT, DEAR_DAY, Home, assert_same, mixed_home

WIDE = replace(EIA_SPOT_DAILY, version="9.0.0", bounds={"USD/bbl": (-1e9, 1e9)})
NARROW = replace(EIA_SPOT_DAILY, version="9.0.0", bounds={"USD/bbl": (-500.0, 55.0)})


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Home:
    return mixed_home(tmp_path_factory.mktemp("mixed") / "home")


@pytest.fixture
def home(built, tmp_path) -> Home:
    return replace(built, root=shutil.copytree(built.root, tmp_path / "home", symlinks=True))


@pytest.fixture
def contract(monkeypatch):
    return lambda family: monkeypatch.setitem(FAMILIES, family.name, family)


def judge_anew(home: Home) -> list[str]:
    told: list[str] = []
    ingest.rebuild(home.ledger, home.warehouse, home.feeds, judge_anew=told.extend)
    return told


def value(home: Home, day) -> float | None:
    rows = home.table("raw.observation").filter(series_id=BRENT, period=day)
    return rows.sort("version")["value"][-1]


def test_a_row_that_a_mended_rule_lets_in_is_listed_with_rule_row_and_value(home, contract):
    contract(WIDE)
    assert judge_anew(home) == [
        f"1 row set aside no longer by the rule bounds: {BRENT} {DEAR_DAY} 1500.0",
        # A pull of which a row was refused withdrew nothing.
        f"2 values of {BRENT} changed: {DEAR_DAY} 53.14 to 1500, 2020-04-14 54.71 to none",
    ]
    assert value(home, DEAR_DAY) == 1500.0
    assert home.table("quarantine.row").filter(fate="open").is_empty()


def test_it_is_listed_before_anything_is_done(home, contract):
    contract(WIDE)
    before = home.content()

    def stop(changes):
        assert changes
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest.rebuild(home.ledger, home.warehouse, home.feeds, judge_anew=stop)
    assert_same(before, home.content())
    assert {entry.feed for entry in home.ledger.entries()}.isdisjoint({ingest.RULES})


def test_what_todays_rules_refuse_is_listed_by_rule_and_number(home, contract):
    contract(NARROW)
    aside, changed = judge_anew(home)
    assert aside == (
        f"2 rows set aside by the rule bounds: {BRENT} 2020-04-17 55.14, {BRENT} 2020-04-20 55.57"
    )
    assert "2020-04-17 55.14 to none, 2020-04-20 55.57 to none" in changed


def test_later_rebuilds_keep_to_it_and_other_rebuilds_to_what_was_recorded(home, contract):
    before = home.content()
    contract(WIDE)
    home.rebuild()
    assert_same(before, home.content(), but=("ref.series",))
    judge_anew(home)
    anew = home.content()
    home.rebuild()
    assert_same(anew, home.content())
    assert ingest.verify_ledger(home.ledger) == []


def test_a_lost_warehouse_comes_back_as_it_was_judged_last(home, contract):
    contract(WIDE)
    judge_anew(home)
    anew = home.content()
    shutil.rmtree(home.root / "warehouse")
    home.rebuild()
    assert_same(anew, home.content())


def test_rules_that_change_nothing_are_said_and_recorded_nowhere(home):
    before, log = home.content(), home.ledger.log_file.read_text()
    assert judge_anew(home) == []
    assert_same(before, home.content())
    assert home.ledger.log_file.read_text() == log


def test_the_next_ingestion_follows_a_judgement(home, contract):
    from tests.ingest.mixed_home import own

    contract(WIDE)
    judge_anew(home)
    own(home.root, "period,value\n2020-01-02,801.5\n2020-01-06,5\n")
    with Warehouse(home.root / "warehouse").write() as store:
        assert ingest.verify_warehouse(home.ledger, store) == []
    after = home.content()
    home.rebuild()
    assert_same(after, home.content())


def test_a_night_of_an_earlier_version_is_judged_by_todays_rules(home):
    log = home.ledger.log_file
    log.write_text(log.read_text().replace('"jumps"', '"leaps"').replace('"stamps"', '"unread"'))
    before = home.content()
    assert judge_anew(home) == []
    assert_same(before, home.content())
