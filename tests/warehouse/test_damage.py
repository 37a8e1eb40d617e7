"""A database file that cannot be read is one line that names it and its repair, at every door."""

import shutil

import duckdb
import pytest

from cbi_pipeline.warehouse import BehindLedger, Warehouse, WarehouseError, connect
from cbi_pipeline.warehouse._errors import DatabaseDamaged
from data_contracts import CONTRACTS, contract
from tests.warehouse.damage import AT_ONCE, HARMS, harm
from tests.warehouse.frames import rows_for

KEPT = ("registry.decision", "issued.forecast", "market.session")
ROWS = 400


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    home = tmp_path_factory.mktemp("filled")
    warehouse = Warehouse(home / "warehouse")
    with warehouse.write() as store:
        for name in KEPT:
            store.append(name, rows_for(contract(name), ROWS))
    warehouse.publish()
    return home


@pytest.fixture
def home(filled, tmp_path):
    return shutil.copytree(filled, tmp_path / "home", symlinks=True)


@pytest.fixture
def warehouse(home):
    return Warehouse(home / "warehouse")


def written(home):
    return home / "warehouse" / "cbi.duckdb"


def snapshot(home):
    return (home / "warehouse" / "published" / "current").resolve()


def require_one_line(error, path):
    text = str(error.value)
    assert "\n" not in text
    assert str(path) in text
    assert "cbi rebuild" in text


@pytest.mark.parametrize("name", HARMS)
def test_a_damaged_database_is_found_when_all_of_it_is_read(home, warehouse, name):
    harm(written(home), name)
    with pytest.raises((DatabaseDamaged, BehindLedger)) as error:
        warehouse.examine()
    require_one_line(error, written(home))


@pytest.mark.parametrize("name", HARMS)
def test_a_damaged_snapshot_is_found_when_all_of_it_is_read(home, warehouse, name):
    path = snapshot(home)
    harm(path, name)
    with pytest.raises(DatabaseDamaged) as error:
        warehouse.examine()
    require_one_line(error, path)


@pytest.mark.parametrize("name", AT_ONCE)
@pytest.mark.parametrize("door", ["write", "publish", "check"])
def test_no_writer_opens_a_damaged_database(home, warehouse, name, door):
    harm(written(home), name)
    with pytest.raises((DatabaseDamaged, BehindLedger)) as error:
        if door == "write":
            with warehouse.write():
                pass
        else:
            getattr(warehouse, door)()
    require_one_line(error, written(home))


@pytest.mark.parametrize("name", AT_ONCE)
@pytest.mark.parametrize("door", ["read", "connect", "check"])
def test_no_reader_opens_a_damaged_snapshot(home, warehouse, name, door):
    path = snapshot(home)
    harm(path, name)
    with pytest.raises(DatabaseDamaged) as error:
        if door == "read":
            with warehouse.read():
                pass
        elif door == "connect":
            connect(home)
        else:
            warehouse.check()
    require_one_line(error, path)


def test_a_table_that_cannot_be_read_says_so_in_the_middle_of_the_work(home, warehouse):
    path = snapshot(home)
    harm(path, "cut to half")
    with pytest.raises(DatabaseDamaged) as error, warehouse.read() as store:
        for table in CONTRACTS:
            store.table(table)
    require_one_line(error, path)


def test_a_pointer_that_goes_round_in_a_circle_is_named(home, warehouse):
    pointer = home / "warehouse" / "published" / "current"
    pointer.unlink()
    pointer.symlink_to("current")
    with pytest.raises(WarehouseError, match="cbi rebuild"), warehouse.read():
        pass


def test_a_foreign_file_among_the_snapshots_is_left_alone(home, warehouse):
    foreign = home / "warehouse" / "published" / "notes.duckdb"
    foreign.write_text("mine")
    with warehouse.write() as store:
        store.append("market.session", rows_for(contract("market.session"), ROWS + 1)[ROWS:])
    warehouse.publish()
    assert foreign.read_text() == "mine"


@pytest.mark.parametrize("name", HARMS)
def test_a_rebuild_carries_from_the_snapshot_what_the_database_lost(home, warehouse, name):
    harm(written(home), name)
    with warehouse.recreate(carry=KEPT) as store:
        pass
    warehouse.publish()
    with warehouse.read() as store:
        for table in KEPT:
            assert len(store.table(table)) == ROWS


@pytest.mark.parametrize("name", HARMS)
def test_a_rebuild_replaces_a_damaged_snapshot(home, warehouse, name):
    harm(snapshot(home), name)
    with warehouse.recreate(carry=KEPT):
        pass
    warehouse.publish()
    warehouse.examine()
    with warehouse.read() as store:
        assert len(store.table("registry.decision")) == ROWS


def test_a_rebuild_replaces_a_pointer_that_is_no_pointer(home, warehouse):
    pointer = home / "warehouse" / "published" / "current"
    pointer.unlink()
    (pointer / "inside").mkdir(parents=True)
    with pytest.raises(DatabaseDamaged), warehouse.read():
        pass
    with warehouse.recreate(carry=KEPT):
        pass
    warehouse.publish()
    with warehouse.read() as store:
        assert len(store.table("registry.decision")) == ROWS
    assert len(list(pointer.parent.glob("current.set-aside-*/inside"))) == 1


def test_what_can_be_read_nowhere_is_named_and_nothing_is_lost_for_it(home, warehouse):
    for path in (written(home), snapshot(home)):
        harm(path, "text")
    assert set(warehouse.find_unreadable(KEPT)) == set(KEPT)
    before = written(home).read_bytes()
    with (
        pytest.raises(DatabaseDamaged, match=r"registry\.decision"),
        warehouse.recreate(carry=KEPT),
    ):
        pass
    assert written(home).read_bytes() == before


def test_an_older_copy_of_the_database_is_passed_over_for_a_newer_snapshot(home, warehouse):
    older = written(home).read_bytes()
    with warehouse.write() as store:
        store.append("registry.decision", rows_for(contract("registry.decision"), ROWS + 1)[ROWS:])
    warehouse.publish()
    written(home).write_bytes(older)
    with warehouse.recreate(carry=KEPT) as store:
        assert len(store.table("registry.decision")) == ROWS + 1


def test_a_database_that_counts_free_blocks_after_its_end_is_sound(home, warehouse):
    """DuckDB writes it so when much of a database was deleted."""
    for statement in (
        "CREATE TABLE scratch AS SELECT i, md5(i::VARCHAR) AS text FROM range(130_000) t(i)",
        "DROP TABLE scratch",
        "CREATE TABLE scratch AS SELECT 1 AS one",
    ):
        with duckdb.connect(written(home)) as connection:
            connection.execute(statement)
    assert written(home).stat().st_size < counted(home)
    warehouse.examine()


def counted(home) -> int:
    """Bytes of all blocks that DuckDB counts."""
    with duckdb.connect(written(home), read_only=True) as connection:
        size, blocks = connection.execute(
            "SELECT block_size, total_blocks FROM pragma_database_size()"
        ).fetchall()[0]
    return size * blocks
