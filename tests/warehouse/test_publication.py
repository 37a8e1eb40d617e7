import duckdb
import pytest

from cbi_pipeline.warehouse import NothingPublished, Warehouse, connect
from cbi_pipeline.warehouse._errors import LayoutChanged
from data_contracts import contract
from tests.warehouse.frames import at, parsed, reference, rows_for, snapshots

PRICES = rows_for(contract("market.session"), 20)


def add(warehouse, first, last):
    with warehouse.write() as store:
        store.append("market.session", PRICES[first:last])


def seen(warehouse):
    with warehouse.read() as store:
        return len(store.table("market.session"))


def test_readers_see_what_was_published_and_not_what_was_written_since(warehouse):
    add(warehouse, 0, 1)
    warehouse.publish()
    add(warehouse, 1, 3)
    assert seen(warehouse) == 1
    warehouse.publish()
    assert seen(warehouse) == 3


def test_a_reader_keeps_its_snapshot_while_writers_write_and_publish(warehouse):
    add(warehouse, 0, 1)
    warehouse.publish()
    with warehouse.read() as store:
        for row in range(1, 7):
            add(warehouse, row, row + 1)
            warehouse.publish()
        assert len(store.table("market.session")) == 1
    assert seen(warehouse) == 7


def test_publishing_the_same_content_again_writes_nothing(warehouse):
    add(warehouse, 0, 2)
    first = warehouse.publish()
    before = {path: path.stat().st_mtime_ns for path in warehouse.published.iterdir()}
    with warehouse.write() as store, store.transaction():
        store.append("market.session", PRICES[:0])
    assert warehouse.publish() == first
    assert {path: path.stat().st_mtime_ns for path in warehouse.published.iterdir()} == before


def test_a_replacement_by_equal_rows_is_no_change(warehouse):
    with warehouse.write() as store:
        store.replace("ref.series", reference("S.A"))
    first = warehouse.publish()
    with warehouse.write() as store:
        store.replace("ref.series", reference("S.A"))
    assert warehouse.publish() == first


def test_the_newest_three_snapshots_stay_and_the_named_ones(warehouse):
    add(warehouse, 0, 1)
    by_parameter = warehouse.publish().name
    add(warehouse, 1, 2)
    by_file = warehouse.publish().name
    (warehouse.published / "keep").write_text(f"{by_file}\n")
    for row in range(2, 8):
        add(warehouse, row, row + 1)
        warehouse.publish(keep=[by_parameter])
    left = snapshots(warehouse)
    assert left[:2] == [by_parameter, by_file]
    assert len(left) == 5
    assert (warehouse.published / "current").resolve().name == left[-1]


def test_a_rolled_back_write_changes_no_publication(warehouse):
    add(warehouse, 0, 2)
    first = warehouse.publish()
    with pytest.raises(RuntimeError), warehouse.write() as store, store.transaction():
        store.append("market.session", PRICES[2:4])
        raise RuntimeError
    assert warehouse.publish() == first
    assert seen(warehouse) == 2


def test_a_copy_that_fails_leaves_readers_what_they_had(warehouse):
    add(warehouse, 0, 2)
    first = warehouse.publish()
    add(warehouse, 2, 3)
    # A folder in the way of the copy's last rename fails as a full disk would, even for root.
    with warehouse.write() as store:
        number, token = store.query("SELECT sequence, token FROM meta.commit").row(0)
    obstacle = warehouse.published / f"{number:08d}-{token}.duckdb"
    (obstacle / "inside").mkdir(parents=True)
    with pytest.raises(OSError):
        warehouse.publish()
    assert (warehouse.published / "current").resolve() == first
    assert seen(warehouse) == 2
    assert not list(warehouse.published.glob("*.unfinished"))


def test_tables_of_other_contracts_are_refused_with_the_remedy(warehouse):
    add(warehouse, 0, 1)
    with duckdb.connect(str(warehouse.published.parent / "cbi.duckdb")) as old:
        old.execute("ALTER TABLE market.session ADD COLUMN note VARCHAR")
        old.execute("UPDATE meta.layout SET hash = 'of other days'")
    with pytest.raises(LayoutChanged, match=r"market\.session.*cbi rebuild"), warehouse.write():
        pass


def test_the_folder_is_private(warehouse):
    add(warehouse, 0, 1)
    assert warehouse.published.stat().st_mode & 0o077 == 0
    assert warehouse.published.parent.stat().st_mode & 0o077 == 0


@pytest.fixture
def home(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    with warehouse.write() as store:
        store.replace("ref.series", reference("S.A"))
        rows = parsed({0: 1.0, 1: None, 2: 3.0}, available=at(5), basis="assumed")
        store.record(rows, seen_at=at(6), txn_id=1)
        for name in ("issued.forecast", "issued.score", "registry.version", "quarantine.row"):
            store.append(name, rows_for(contract(name), 3))
        prices = rows_for(contract("market.session"), 3).with_columns(
            commodity=contract("market.session").empty()["commodity"].extend_constant("wti", 3),
            session=PRICES["session"].slice(0, 1).extend_constant(PRICES["session"][0], 2),
        )
        store.append("market.session", prices)
    warehouse.publish()
    return tmp_path


@pytest.mark.parametrize(
    ("view", "rows"),
    [
        ("price", 1),
        ("forecast", 3),
        ("score", 3),
        ("model", 3),
        ("freshness", 1),
        ("quarantine", 3),
        ("version", 1),
    ],
)
def test_applications_read_the_views_by_plain_name(home, view, rows):
    with connect(home) as connection:
        assert len(connection.sql(f"SELECT * FROM {view}").fetchall()) == rows


def test_the_price_view_shows_the_newest_version(home):
    with connect(home) as connection:
        (price,) = connection.sql("SELECT price FROM price").fetchall()[0]
    assert price == 0.502


def test_the_freshness_view_tells_newest_period_and_share_of_assumed_instants(home):
    with connect(home) as connection:
        row = (
            connection.sql(
                "SELECT newest_period, newest_available_at, versions, assumed_share FROM freshness"
            )
            .pl()
            .row(0)
        )
    assert row == (parsed({2: 1.0})["period"][0], at(5), 3, 1.0)


def test_applications_cannot_write(home):
    with connect(home) as connection, pytest.raises(duckdb.InvalidInputException):
        connection.execute("DELETE FROM market.session")


def test_connecting_before_anything_is_published_says_what_to_do(tmp_path):
    with pytest.raises(NothingPublished, match="cbi run"):
        connect(tmp_path)
