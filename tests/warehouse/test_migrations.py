"""Homes that an earlier or a newer version of the program wrote."""

import json
import shutil
from datetime import date

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cbi_pipeline.evaluation.spending import read_account
from cbi_pipeline.warehouse import BehindLedger, Warehouse, _migrations, connect
from cbi_pipeline.warehouse._errors import LayoutChanged, LayoutTooNew
from cbi_pipeline.warehouse._migrations import Migration
from data_contracts import CONTRACTS, contract
from tests.warehouse.frames import rows_for

TABLE = "registry.decision"
ROWS = rows_for(contract(TABLE), 500)
ADDED = Migration("decisions name a version", TABLE, f"SELECT *, NULL AS version FROM {TABLE}")


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A home from before decisions had the column ``version``."""
    home = tmp_path_factory.mktemp("old")
    warehouse = Warehouse(home / "warehouse")
    with warehouse.write() as store:
        for name, one in CONTRACTS.items():
            store.append(name, ROWS if name == TABLE else rows_for(one, 3))
    with duckdb.connect(str(home / "warehouse" / "cbi.duckdb")) as written:
        written.execute(f"CREATE OR REPLACE TABLE {TABLE} AS SELECT * EXCLUDE version FROM {TABLE}")
        written.execute("DROP TABLE meta.migration")
        written.execute("UPDATE meta.layout SET hash = 'of other days'")
    publish_as_it_is(warehouse)
    (home / "warehouse" / "writer.lock").unlink()
    return home


@pytest.fixture
def home(old, tmp_path, monkeypatch):
    """A copy of it, opened by a version whose decisions have the column."""
    monkeypatch.setattr(_migrations, "MIGRATIONS", (ADDED,))
    return shutil.copytree(old, tmp_path / "home", symlinks=True)


def publish_as_it_is(warehouse):
    """What an earlier version's publication left."""
    target = warehouse.published / "00000099-00000000.duckdb"
    target.write_bytes((warehouse.published.parent / "cbi.duckdb").read_bytes())
    pointer = warehouse.published / "current"
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(target.name)


def require_kept(store):
    for name, one in CONTRACTS.items():
        if name != TABLE:
            assert_frame_equal(store.table(name), rows_for(one, 3).sort(one.key))
    rows = store.table(TABLE)
    empty = pl.lit(None, pl.Int64).alias("version")
    assert_frame_equal(rows, ROWS.with_columns(empty).sort(contract(TABLE).key))


def test_a_reader_of_an_older_home_finds_every_row_and_the_new_column_empty(home):
    with Warehouse(home / "warehouse").read() as store:
        require_kept(store)


def test_a_writer_of_an_older_home_finds_every_row_and_the_new_column_empty(home):
    warehouse = Warehouse(home / "warehouse")
    with warehouse.write() as store:
        require_kept(store)
    warehouse.publish()
    with warehouse.read() as store:
        require_kept(store)


def test_an_application_opens_an_older_home(home):
    with connect(home) as connection:
        assert connection.sql("SELECT count(*) FROM forecast").fetchall() == [(3,)]


def test_a_rebuild_carries_the_rows_of_an_older_home(home):
    warehouse = Warehouse(home / "warehouse")
    with warehouse.recreate(carry=list(CONTRACTS)) as store:
        require_kept(store)
    assert not list(home.rglob("*.migrating*"))


def test_a_migrated_home_is_migrated_once(home):
    warehouse = Warehouse(home / "warehouse")
    with warehouse.read() as store:
        first = store.content()
    with warehouse.write():
        pass
    warehouse.publish()
    with warehouse.read() as store:
        assert store.content() == first


def test_a_migrated_table_keeps_its_key(home):
    with Warehouse(home / "warehouse").write() as store, pytest.raises(ValueError, match=TABLE):
        store.append(TABLE, ROWS[:1])


def test_a_value_may_follow_from_stored_ones(home, monkeypatch):
    length = Migration(ADDED.name, TABLE, f"SELECT *, length(reason) AS version FROM {TABLE}")
    monkeypatch.setattr(_migrations, "MIGRATIONS", (length,))
    with Warehouse(home / "warehouse").read() as store:
        rows = store.table(TABLE)
    assert rows["version"].to_list() == [len(reason) for reason in rows["reason"]]


def test_later_steps_go_on_from_earlier_ones(home, monkeypatch):
    steps = (
        Migration("first", TABLE, f"SELECT *, NULL AS passing FROM {TABLE}"),
        Migration("then", TABLE, f"SELECT * RENAME (passing AS version) FROM {TABLE}"),
    )
    monkeypatch.setattr(_migrations, "MIGRATIONS", steps)
    with Warehouse(home / "warehouse").read() as store:
        require_kept(store)


def test_prices_of_an_older_home_are_sessions_and_published_as_they_were(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    with warehouse.write():
        pass
    with duckdb.connect(str(tmp_path / "warehouse" / "cbi.duckdb")) as older:
        older.execute("DROP TABLE market.session")
        older.execute(
            "CREATE TABLE market.price AS SELECT 'wti' AS commodity, DATE '2020-04-20' AS session, "
            "unnest([1, 2])::BIGINT AS version, unnest([-37.63, -36.98]) AS price, "
            "'EIA.RWTC' AS instrument, 1.0::DOUBLE AS factor, false AS roll, "
            "TIMESTAMPTZ '2020-04-21 22:00:00+00' AS available_at, 'stamp' AS available_basis"
        )
        older.execute("DELETE FROM meta.migration WHERE name = 'prices are sessions'")
    publish_as_it_is(warehouse)
    with connect(tmp_path) as connection:
        assert connection.sql("SELECT session, price, instrument FROM price").fetchall() == [
            (date(2020, 4, 20), -36.98, "EIA.RWTC")
        ]
    with warehouse.read() as store:
        sessions = store.table("market.session")
        tables = store.query("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'market'")
    assert sessions.select("version", "price", "volume").rows() == [
        (1, -37.63, None),
        (2, -36.98, None),
    ]
    assert set(tables["table_name"]) == {"session", "earlier_session"}


def test_a_migration_that_the_rows_do_not_allow_changes_nothing_and_says_what_to_do(
    home, monkeypatch
):
    monkeypatch.setattr(
        _migrations, "MIGRATIONS", (Migration("no", TABLE, f"SELECT 'x' AS who FROM {TABLE}"),)
    )
    database = home / "warehouse" / "cbi.duckdb"
    before = database.read_bytes()
    with (
        pytest.raises(LayoutChanged, match=r"registry\.decision.*cbi rebuild"),
        Warehouse(home / "warehouse").read(),
    ):
        pass
    assert database.read_bytes() == before


def test_an_older_home_without_its_written_database_says_what_to_do(home):
    (home / "warehouse" / "cbi.duckdb").unlink()
    with pytest.raises(BehindLedger, match=r"cbi\.duckdb.*cbi rebuild"), connect(home):
        pass
    assert not (home / "warehouse" / "cbi.duckdb").exists()


def test_an_older_home_that_cannot_be_written_says_what_to_do(home):
    # A folder in the lock's way refuses as a disk that is mounted read-only would, even for root.
    (home / "warehouse" / "writer.lock").mkdir()
    with pytest.raises(LayoutChanged, match=r"warehouse.*earlier version.*writable"), connect(home):
        pass


def test_a_home_whose_tables_serve_is_read_where_it_cannot_be_written(home):
    warehouse = Warehouse(home / "warehouse")
    with warehouse.write():
        pass
    with duckdb.connect(str(home / "warehouse" / "cbi.duckdb")) as database:
        database.execute("UPDATE meta.layout SET hash = 'of other days'")
    publish_as_it_is(warehouse)
    (home / "warehouse" / "writer.lock").unlink()
    (home / "warehouse" / "writer.lock").mkdir()
    with warehouse.read() as store:
        require_kept(store)


@pytest.mark.parametrize("door", ["read", "write", "connect", "publish", "recreate"])
def test_a_home_of_a_newer_version_is_refused_by_its_name(home, monkeypatch, door):
    warehouse = Warehouse(home / "warehouse")
    with warehouse.read():
        pass
    with duckdb.connect(str(home / "warehouse" / "cbi.duckdb")) as newer:
        newer.execute("INSERT INTO meta.migration VALUES ('prices are in gold', '7.3.1')")
    publish_as_it_is(warehouse)
    before = (home / "warehouse" / "cbi.duckdb").read_bytes()
    doors = {
        "connect": lambda: connect(home),
        "publish": lambda: warehouse.publish(),
        "recreate": lambda: warehouse.recreate(carry=[TABLE]).__enter__(),
    }
    with pytest.raises(LayoutTooNew, match=r"7\.3\.1.*prices are in gold"):
        doors.get(door, lambda: getattr(warehouse, door)().__enter__())()
    assert (home / "warehouse" / "cbi.duckdb").read_bytes() == before


def test_quarantined_rows_of_an_older_home_name_the_period_that_their_row_has(tmp_path):
    texts = {
        '{"period": "2020-04-03", "value": "1500"}': date(2020, 4, 3),
        '{"report_date_as_yyyy_mm_dd": "2020-04-07T00:00:00.000"}': date(2020, 4, 7),
        '{"period": "2020-04"}': None,
        '{"date": "4/3/2020"}': None,
        "no JSON at all": None,
    }
    table = "quarantine.row"
    rows = rows_for(contract(table), len(texts)).with_columns(row=pl.Series(list(texts)))
    warehouse = Warehouse(tmp_path / "warehouse")
    with warehouse.write() as store:
        store.append(table, rows)
    with duckdb.connect(str(tmp_path / "warehouse" / "cbi.duckdb")) as written:
        written.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * EXCLUDE period FROM {table}")
        written.execute("DELETE FROM meta.migration WHERE name LIKE 'quarantined rows%'")
        written.execute("UPDATE meta.layout SET hash = 'of other days'")
    publish_as_it_is(warehouse)
    with warehouse.read() as store:
        found = store.table(table)
    assert dict(found.select("row", "period").iter_rows()) == texts


LOOK = {
    "evidence": {"content": "c", "axes": "a", "independent": 500.0},
    "field": {
        "gru~5y": {"recipe_id": "of gru", "code": "code"},
        "tiny": {"recipe_id": "of tiny", "code": "other code"},
    },
    **{"is_entry": True, "entry_cost": 0.02, "growth_cost": 0.0, "level": 0.02},
    **{"left": 0.03, "next_entry": 0.005},
}
NAMED = ("recipe_id", "code", "round_id", "field", "level_left")


def test_decisions_of_an_older_home_name_the_look_that_their_statistics_hold(tmp_path):
    noted = json.dumps({"look": LOOK, "round": "r"})
    statistics = {"gru~5y": noted, "tiny": noted, "absent": noted, "a": "{}", "b": "no JSON"}
    rows = rows_for(contract(TABLE), len(statistics)).with_columns(
        recipe=pl.Series(list(statistics)),
        statistics=pl.Series(list(statistics.values())),
        verdict=pl.lit("keep"),
        who=pl.lit("gate"),
        champion=pl.lit("prior"),
    )
    warehouse = Warehouse(tmp_path / "warehouse")
    with warehouse.write() as store:
        store.append(TABLE, rows)
    with duckdb.connect(str(tmp_path / "warehouse" / "cbi.duckdb")) as older:
        kept = f"SELECT * EXCLUDE ({', '.join(NAMED)}) FROM {TABLE}"
        older.execute(f"CREATE OR REPLACE TABLE {TABLE} AS {kept}")
        older.execute("DELETE FROM meta.migration WHERE name LIKE 'decisions name the look%'")
        older.execute("UPDATE meta.layout SET hash = 'of other days'")
    publish_as_it_is(warehouse)
    with warehouse.read() as store:
        found = store.table(TABLE)
    named = {row.pop("recipe"): row for row in found.select("recipe", *NAMED).to_dicts()}
    assert [json.loads(named["tiny"].pop("field")), json.loads(named["gru~5y"].pop("field"))] == [
        LOOK["field"]
    ] * 2
    assert named["tiny"] == {
        "recipe_id": "of tiny", "code": "other code", "round_id": "r", "level_left": 0.03
    }  # fmt: skip
    assert named["gru~5y"]["recipe_id"] == "of gru"
    assert named["absent"]["recipe_id"] is None
    assert set(named["a"].values()) == set(named["b"].values()) == {None}
    account = read_account(found.filter(pl.col("recipe").is_in(["gru~5y", "tiny"])))
    assert [look.left for look in account.looks] == [LOOK["left"]]
