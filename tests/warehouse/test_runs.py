"""A run: it reads what it wrote, everybody else what was published, and it publishes once."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import pytest

from cbi_pipeline.warehouse import NothingPublished, Warehouse, _publication, connect
from cbi_pipeline.warehouse._errors import NotPublished
from data_contracts import contract
from tests.warehouse.frames import rows_for, snapshots

PRICES = rows_for(contract("market.session"), 20)


def add(warehouse, first, last):
    with warehouse.write() as store:
        store.append("market.session", PRICES[first:last])
    warehouse.publish()


def count(store):
    return len(store.table("market.session"))


def seen(warehouse):
    with warehouse.read() as store:
        return count(store)


def published(warehouse):
    with connect(warehouse.published.parent.parent) as connection:
        return len(connection.sql("SELECT * FROM market.session").fetchall())


def test_a_run_publishes_once_however_often_its_steps_do(warehouse):
    with warehouse.publish_at_end():
        for row in range(5):
            add(warehouse, row, row + 1)
        assert not snapshots(warehouse)
    assert len(snapshots(warehouse)) == 1
    assert published(warehouse) == 5


def test_a_step_reads_what_earlier_steps_wrote_and_applications_what_was_published(warehouse):
    add(warehouse, 0, 1)
    with warehouse.publish_at_end():
        assert seen(warehouse) == 1
        add(warehouse, 1, 3)
        # Whoever makes the object: a run is of the folder.
        assert seen(Warehouse(warehouse.published.parent)) == 3
        assert published(warehouse) == 1
        with warehouse.read_published() as store:
            assert count(store) == 1
    assert published(warehouse) == 3


def test_the_first_run_of_a_home_reads_what_it_wrote(warehouse):
    with warehouse.publish_at_end():
        with pytest.raises(NothingPublished), warehouse.read():
            pass
        add(warehouse, 0, 2)
        assert seen(warehouse) == 2


def test_what_belongs_to_no_run_reads_what_was_published(warehouse):
    add(warehouse, 0, 1)
    beside = []
    with warehouse.publish_at_end():
        add(warehouse, 1, 3)
        thread = threading.Thread(target=lambda: beside.append(seen(warehouse)))
        thread.start()
        thread.join()
    assert beside == [1]


def test_who_decides_what_to_write_reads_what_is_committed_without_publishing_it(warehouse):
    add(warehouse, 0, 1)
    with warehouse.publish_at_end():
        add(warehouse, 1, 3)
        code = (
            "import sys; from pathlib import Path; from cbi_pipeline.warehouse import Warehouse\n"
            "with Warehouse(Path(sys.argv[1])).read_committed() as store:\n"
            "    print(len(store.table('market.session')))"
        )
        argv = [sys.executable, "-c", code, str(warehouse.published.parent)]
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "3\n"
        assert published(warehouse) == 1


def test_a_run_without_news_publishes_nothing_and_opens_nothing_for_writing(warehouse):
    add(warehouse, 0, 2)
    folder = warehouse.published.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with warehouse.publish_at_end():
        assert seen(warehouse) == 2
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_failed_run_publishes_what_it_committed(warehouse):
    with pytest.raises(RuntimeError), warehouse.publish_at_end():
        add(warehouse, 0, 2)
        raise RuntimeError
    assert published(warehouse) == 2


def test_a_run_in_a_run_is_a_part_of_it(warehouse):
    with warehouse.publish_at_end():
        with warehouse.publish_at_end():
            add(warehouse, 0, 2)
        assert not snapshots(warehouse)
        assert seen(warehouse) == 2
    assert len(snapshots(warehouse)) == 1


def test_a_run_over_another_warehouse_is_none_over_this_one(warehouse, tmp_path):
    other = Warehouse(tmp_path / "other")
    with other.publish_at_end():
        add(warehouse, 0, 2)
        assert published(warehouse) == 2
    assert not other.published.exists()


def write_and_die(root):
    warehouse = Warehouse(root)
    with warehouse.publish_at_end():
        add(warehouse, 0, 2)
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_run_committed_is_seen_and_published_by_the_next(warehouse):
    root = warehouse.published.parent
    process = multiprocessing.get_context("spawn").Process(target=write_and_die, args=(root,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not snapshots(warehouse)
    with warehouse.publish_at_end():
        assert seen(warehouse) == 2
    assert published(warehouse) == 2


def test_a_run_that_cannot_publish_says_so_and_the_next_one_does(warehouse, monkeypatch):
    add(warehouse, 0, 1)

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(_publication.shutil, "copyfile", refuse)
        with (
            pytest.raises(NotPublished, match=r"No space left.*the next run publishes it"),
            warehouse.publish_at_end(),
        ):
            add(warehouse, 1, 3)
    assert published(warehouse) == 1
    with warehouse.publish_at_end():
        assert seen(warehouse) == 3
    assert published(warehouse) == 3
