"""A snapshot made out of an earlier one: the same bytes, few writes, and no reader notices."""

import os
import subprocess
import sys

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.warehouse._recycling import BLOCK, take_unread, update_copy
from data_contracts import contract
from tests.warehouse.frames import rows_for

PRICES = rows_for(contract("market.session"), 40)


def publish_row(warehouse, row):
    with warehouse.write() as store:
        store.append("market.session", PRICES[row : row + 1])
    return warehouse.publish()


def contents(warehouse):
    """Rows of every snapshot that is there, the oldest first."""
    counts = []
    for path in sorted(warehouse.published.glob("*.duckdb")):
        with duckdb.connect(str(path), read_only=True) as connection:
            counts.append(
                connection.execute("SELECT count(*) FROM market.session").fetchall()[0][0]
            )
    return counts


def inodes(warehouse):
    return {path.stat().st_ino for path in warehouse.published.glob("*.duckdb")}


def test_a_published_snapshot_is_the_written_file_to_the_byte(warehouse):
    for row in range(8):
        snapshot = publish_row(warehouse, row)
        written = warehouse.published.parent / "cbi.duckdb"
        assert snapshot.read_bytes() == written.read_bytes()
    assert contents(warehouse) == [6, 7, 8]


def test_a_snapshot_that_nobody_reads_becomes_the_next(warehouse):
    for row in range(3):
        publish_row(warehouse, row)
    before = inodes(warehouse)
    publish_row(warehouse, 3)
    assert inodes(warehouse) == before


HOLD = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    print("open", flush=True)
    sys.stdin.readline()
    print(connection.execute("SELECT count(*), bit_xor(hash(t)) FROM market.session t").fetchall())
"""


def test_a_reader_in_another_process_keeps_its_snapshot(warehouse):
    first = publish_row(warehouse, 0)
    with duckdb.connect(str(first), read_only=True) as connection:
        sql = "SELECT count(*), bit_xor(hash(t)) FROM market.session t"
        before = connection.execute(sql).fetchall()
    argv = [sys.executable, "-c", HOLD, str(first)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(argv, **pipes) as reader:
        assert reader.stdout.readline() == "open\n"
        for row in range(1, 8):
            publish_row(warehouse, row)
        said, _ = reader.communicate("\n")
    assert said.strip() == str(before)


def test_a_reader_in_this_process_keeps_its_snapshot_whatever_else_opened_it(warehouse, tmp_path):
    first = publish_row(warehouse, 0)
    other_name = tmp_path / "link"
    other_name.symlink_to(first)
    with warehouse.read() as store:
        # Closing a second descriptor takes the locks of a process off a file, DuckDB's among them.
        duckdb.connect(str(other_name), read_only=True).close()
        for row in range(1, 8):
            publish_row(warehouse, row)
        assert len(store.table("market.session")) == 1


def test_a_snapshot_with_a_second_name_is_left_as_it_is(warehouse, tmp_path):
    first = publish_row(warehouse, 0)
    backup = tmp_path / "backup.duckdb"
    os.link(first, backup)
    content = backup.read_bytes()
    for row in range(1, 8):
        publish_row(warehouse, row)
    assert backup.read_bytes() == content


def test_a_snapshot_that_is_kept_is_left_as_it_is(warehouse):
    first = publish_row(warehouse, 0)
    content = first.read_bytes()
    (warehouse.published / "keep").write_text(first.name)
    for row in range(1, 8):
        publish_row(warehouse, row)
    assert first.read_bytes() == content


def test_where_every_spare_one_is_read_none_is_taken(tmp_path):
    spare = [tmp_path / "new", tmp_path / "old"]
    for path in spare:
        path.write_bytes(b"content")
    target = tmp_path / "target"
    with spare[0].open("rb") as new, spare[1].open("rb") as old:
        assert not take_unread(spare, target)
        assert not target.exists()
        assert new.read() == old.read() == b"content"


SIZES = st.integers(0, 3 * BLOCK)


@given(SIZES, SIZES, st.lists(st.integers(0, 3 * BLOCK), max_size=3))
def test_a_copy_is_brought_up_to_date_by_writing_the_blocks_that_differ(
    tmp_path_factory, size, other_size, changes
):
    folder = tmp_path_factory.mktemp("files")
    source, copy = folder / "source", folder / "copy"
    content = bytearray(os.urandom(size))
    copy.write_bytes((content + bytes(other_size))[:other_size])
    changed = {at for at in changes if at < size}
    for at in changed:
        content[at] ^= 1
    source.write_bytes(content)
    written = update_copy(source, copy)
    assert copy.read_bytes() == source.read_bytes()
    touched = {at // BLOCK for at in changed} | set(range(other_size // BLOCK, -(-size // BLOCK)))
    # The last block of the source differs where the copy went on.
    touched |= {(size - 1) // BLOCK} if other_size > size > 0 else set()
    assert written <= len(touched) * BLOCK
