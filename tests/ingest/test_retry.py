"""Rows come back from quarantine under a new contract, known no earlier than is honest."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest

from cbi_pipeline.feeds import archive
from cbi_pipeline.warehouse import Store
from data_contracts.eia_spot import EIA_SPOT_DAILY
from data_contracts.families import FAMILIES
from data_contracts.own_history import OWN_HISTORY
from tests.feed_servers.night import WTI, eia_installation
from tests.ingest.archive_copy import WTI as WTI_FILE
from tests.ingest.archive_copy import edit
from tests.ingest.mixed_home import (
    BRENT,
    DEAR_DAY,
    NIGHT,
    TOO_DEAR,
    Home,
    assert_same,
    live_nights,
    own,
    servers,
    tell,
)
from tests.warehouse.frames import parsed

LATER = datetime(2020, 9, 1, 12, tzinfo=UTC)


@pytest.fixture
def looser(monkeypatch):
    def allow(family=EIA_SPOT_DAILY):
        wide = dict.fromkeys(family.bounds, (-1000000000.0, 1000000000.0))
        monkeypatch.setitem(FAMILIES, family.name, replace(family, version="9.0.0", bounds=wide))

    return allow


@pytest.fixture(scope="module")
def nights(tmp_path_factory) -> Home:
    """Four nights of which the second refuses a price."""
    root = tmp_path_factory.mktemp("nights") / "home"
    with servers() as (eia, cftc):
        tell(eia, 1, DEAR_DAY, TOO_DEAR)
        return Home(root, live_nights(root, eia, cftc, nights=2))


@pytest.fixture
def home(nights, tmp_path) -> Home:
    return replace(nights, root=shutil.copytree(nights.root, tmp_path / "home", symlinks=True))


def versions(home: Home, series: str, period) -> list[dict]:
    rows = home.table("raw.observation").filter(series_id=series, period=period)
    return rows.rows(named=True)


def fates(home: Home) -> list[tuple[str, str]]:
    return home.table("quarantine.row").select("rule", "fate").rows()


def test_a_row_that_passes_now_is_a_new_version_known_since_now(home, looser):
    looser()
    (done,) = home.retry("bounds", LATER)
    assert (done.feed, done.asked, done.accepted, done.refused) == ("eia", 1, 1, 0)
    first, second = versions(home, BRENT, DEAR_DAY)
    assert (second["value"], second["available_basis"]) == (float(TOO_DEAR), "first_seen")
    assert second["available_at"] == second["seen_at"] == LATER
    assert second["txn_id"] == done.txn_id
    assert first["value"] != second["value"]
    assert fates(home) == [("bounds", "accepted")]


def test_the_quarantined_row_itself_keeps_all_it_said(home, looser):
    before = home.table("quarantine.row")
    looser()
    home.retry("bounds", LATER)
    assert home.table("quarantine.row").drop("fate").equals(before.drop("fate"))


def test_what_still_breaks_a_rule_stays_and_nothing_is_written(home):
    before = home.content()
    (done,) = home.retry("bounds", LATER)
    assert (done.txn_id, done.accepted, done.refused) == (None, 0, 1)
    assert_same(before, home.content())


@pytest.mark.parametrize(("rule", "feed"), [("calendar_day", None), ("bounds", "cftc")])
def test_only_rows_of_that_rule_and_feed_are_tried(home, looser, rule, feed):
    looser()
    assert home.retry(rule, LATER, feed) == []
    assert fates(home) == [("bounds", "open")]


def test_a_retry_is_rebuilt_as_it_was(home, looser):
    looser()
    home.retry("bounds", LATER)
    before = home.content()
    assert home.rebuild().changed_from is None
    # The series were last ingested under the older contract.
    assert_same(before, home.content(), but=("ref.series",))


def test_a_retry_killed_before_its_commit_leaves_the_row_open(home, looser, monkeypatch):
    looser()
    before = home.content()
    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            home.retry("bounds", LATER)
    home.warehouse.publish()
    assert_same(before, home.content())
    assert home.retry("bounds", LATER)[0].accepted == 1


def test_a_value_dated_by_its_schedule_keeps_that_date(tmp_path, server_of_spot, looser):
    server, now = server_of_spot
    day = date(2020, 4, 15)
    server.publisher.publish(now, "RWTC", day, TOO_DEAR)
    one = eia_installation(tmp_path / "home", server)
    one.night(now)
    home = Home(one.home, {"eia": one.feed})
    looser()
    home.retry("bounds", LATER)
    (row,) = versions(home, WTI, day)
    # The first load of a series is dated by the release rule, like the rows around it.
    assert (row["available_basis"], row["seen_at"]) == ("assumed", LATER)
    assert row["available_at"] < now


@pytest.fixture
def server_of_spot():
    with servers() as (eia, _):
        for (series, day), text in list(eia.publisher.public().items()):
            assert series == "RBRTE"
            eia.publisher.publish(NIGHT, "RWTC", day, text)
        eia.publisher.now = NIGHT
        yield eia, NIGHT


@pytest.mark.slow
def test_a_row_of_the_archive_enters_with_the_date_of_its_release_rule(fresh, looser):
    edit(fresh.archive_dir, WTI_FILE, "1/2/2019,46.31", "1/2/2019,4631.0")
    fresh.run()
    home = Home(fresh.home, {})
    looser()
    (done,) = home.retry("bounds", LATER)
    day = date(2019, 1, 2)
    (row,) = versions(home, WTI, day)
    assert (done.accepted, row["value"]) == (1, 4631.0)
    assert (row["available_at"], row["available_basis"]) == (
        EIA_SPOT_DAILY.release.rule(day),
        "assumed",
    )
    assert row["seen_at"] == LATER
    state = home.table("ledger.txn")["state_after"][-1]
    assert home.rebuild().state == state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("1/3/2019,46.92\n", "1/3/2019,46.92\n1/14/2019,90.00\n", "within_the_record"),
        (
            "1/2/2019,46.31\n1/3/2019,46.92\n",
            "1/3/2019,46.92\n1/2/2019,46.31\n",
            "in_order",
        ),
    ],
)
def test_a_row_out_of_its_record_or_order_stays_out_in_a_retry_and_in_a_rebuild(
    fresh, looser, old, new, rule
):
    edit(fresh.archive_dir, WTI_FILE, old, new)
    fresh.run()
    home = Home(fresh.home, {})
    before = home.content()
    looser()
    (done,) = home.retry(rule, LATER)
    assert (done.txn_id, done.accepted, done.refused) == (None, 0, len(before["quarantine.row"]))
    home.rebuild()
    assert_same(before, home.content(), but=("ref.series",))


@pytest.mark.slow
def test_the_same_archive_again_finds_a_retried_row_in_its_place(fresh, looser):
    edit(fresh.archive_dir, WTI_FILE, "1/2/2019,46.31", "1/2/2019,4631.0")
    fresh.run()
    home = Home(fresh.home, {})
    looser()
    home.retry("bounds", LATER)
    before = home.table("raw.observation")
    fresh.seen_at = LATER
    fresh.run()
    assert home.table("raw.observation").equals(before)
    assert fates(home) == [("bounds", "accepted")]


def test_a_row_of_an_import_is_known_since_the_retry(tmp_path, looser):
    root = tmp_path / "home"
    good = "".join(f"2019-01-{day:02d},{day}.5\n" for day in range(1, 29))
    own(root, f"period,value\n{good}2019-12-24,9999999\n")
    home = Home(root, {})
    looser(OWN_HISTORY)
    assert home.retry("bounds", LATER)[0].accepted == 1
    (row,) = versions(home, "DESK.CPO", date(2019, 12, 24))
    assert (row["available_at"], row["available_basis"]) == (LATER, "first_seen")
    assert archive.read_record().clock < LATER


@pytest.mark.slow
def test_a_series_refused_as_a_whole_comes_back_as_a_whole(tmp_path, server_of_spot, looser):
    server, now = server_of_spot
    for day in range(1, 10):
        server.publisher.publish(now, "RWTC", date(2020, 4, day), TOO_DEAR)
    one = eia_installation(tmp_path / "home", server)
    one.night(now)
    assert "rows of EIA.RWTC break their contract" in one.problem()
    assert one.table("raw.observation").is_empty()
    looser()
    home = Home(one.home, {"eia": one.feed})
    (done,) = home.retry("bounds", LATER)
    rows = home.table("raw.observation")
    assert done.accepted == 7 < len(rows)
    assert set(rows["available_basis"]) <= {"assumed", "first_seen"}
    state = home.table("ledger.txn")["state_after"][-1]
    assert home.rebuild().state == state


def test_an_older_answer_never_overturns_a_newer_one(home, looser):
    newer = parsed({0: 77.0}, series=BRENT, available=LATER, basis="first_seen")
    newer = newer.with_columns(period=pl.lit(DEAR_DAY))
    with home.warehouse.write() as store:
        store.record(newer, seen_at=LATER, txn_id=99)
    home.warehouse.publish()
    looser()
    (done,) = home.retry("bounds", LATER)
    assert (done.accepted, done.overtaken) == (0, 1)
    assert versions(home, BRENT, DEAR_DAY)[-1]["value"] == 77.0
    assert fates(home) == [("bounds", "superseded")]


def test_the_command_says_how_many(tmp_path, looser, monkeypatch, capsys):
    from cbi_pipeline.cli import invoke

    root = tmp_path / "home"
    good = "".join(f"2019-01-{day:02d},{day}.5\n" for day in range(1, 29))
    own(root, f"period,value\n{good}2019-12-24,9999999\n")
    looser(OWN_HISTORY)
    monkeypatch.setenv("CBI_HOME", str(root))
    assert invoke(["quarantine", "retry", "--rule", "bounds"]) == 0
    assert "1 rows judged again, 1 entered, 0 still refused" in capsys.readouterr().out
    assert invoke(["quarantine", "retry", "--rule", "bounds"]) == 0
    assert "no row is in quarantine" in capsys.readouterr().out
    assert invoke(["rebuild"]) == 0
    assert "the same as recorded" in capsys.readouterr().out
