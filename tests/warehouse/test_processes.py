"""Crashes, full disks and crowds: what other processes can do to the warehouse."""

import multiprocessing
import random
import time

import polars as pl
import pytest

from cbi_pipeline.warehouse import Warehouse
from cbi_pipeline.warehouse._state import digest, hash_blocks
from tests.warehouse import processes
from tests.warehouse.frames import at

# A server that has imported everything forks a fresh process in no time.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.warehouse.processes"])
KILLED = -9


def start(target, *args):
    process = CONTEXT.Process(target=target, args=args)
    process.start()
    return process


def finish(process, within=120):
    process.join(within)
    assert process.exitcode is not None, "the process hangs"
    return process.exitcode


def check_whole(root):
    """Batches written and published, after checking both, and that the next write goes through."""
    warehouse = Warehouse(root, wait_s=1)
    with warehouse.read() as store:
        published = processes.batches(store)
    with warehouse.write() as store:
        written = processes.batches(store)
        rows = store.table("raw.observation")
        units = dict(store.table("ref.series").select("series_id", "unit").iter_rows())
        assert store.state(at(10_000), processes.SERIES) == digest(hash_blocks(rows), units)
    assert published <= written
    return written, published


@pytest.fixture
def root(tmp_path):
    processes.write_and_publish(tmp_path)
    return tmp_path


def survive_a_kill_at(root, call):
    before, _ = check_whole(root)
    process = start(processes.die_at_call, root, call)
    assert finish(process) == KILLED
    written, published = check_whole(root)
    assert written in (before, before + 1)
    assert published in (before, written)
    # The next one picks up where the dead one left off and clears away after it.
    processes.write_and_publish(root)
    assert check_whole(root) == (written + 1, written + 1)
    assert not list(root.glob("published/*.unfinished"))


def count_calls(root):
    process = start(processes.die_at_call, root, 10**9)
    assert finish(process) == 0
    return int((root / "calls").read_text())


@pytest.mark.slow
def test_a_writer_killed_at_any_call_leaves_the_content_before_or_after(root):
    calls = count_calls(root)
    assert calls > 200
    for call in random.Random(calls).sample(range(1, calls + 1), 3):
        survive_a_kill_at(root, call)


@pytest.mark.slow
def test_a_writer_killed_at_every_twentieth_call_leaves_the_content_before_or_after(root):
    for call in range(1, count_calls(root) + 1, 20):
        survive_a_kill_at(root, call)


def survive_kills_at_random_moments(root, kills, seed):
    delays = random.Random(seed)
    for _ in range(kills):
        before, public = check_whole(root)
        process = start(processes.write_for_ever, root)
        time.sleep(delays.uniform(0.05, 0.6))
        process.kill()
        finish(process)
        written, published = check_whole(root)
        assert written >= before
        assert published in (written - 1, written) or published == public


@pytest.mark.slow
def test_a_writer_killed_at_random_moments_leaves_whole_batches(root):
    survive_kills_at_random_moments(root, kills=4, seed=1)


@pytest.mark.slow
def test_a_writer_killed_at_many_random_moments_leaves_whole_batches(root):
    survive_kills_at_random_moments(root, kills=20, seed=2)


@pytest.mark.parametrize("room", [4_000, pytest.param(3_000_000, marks=pytest.mark.slow)])
def test_a_write_without_room_changes_nothing(root, room):
    process = start(processes.write_with_room_for, root, room, "write")
    assert finish(process) == 0
    assert check_whole(root) == (1, 1)


def test_a_publication_without_room_leaves_readers_what_they_had(root):
    with Warehouse(root).write() as store:
        processes.write_batch(store)
    room = (root / "cbi.duckdb").stat().st_size // 2
    process = start(processes.write_with_room_for, root, room, "publish")
    assert finish(process) == 0
    assert check_whole(root) == (2, 1)
    assert not list(root.glob("published/*.unfinished"))
    Warehouse(root).publish()
    assert check_whole(root) == (2, 2)


def crowd(root, readers, writers, seconds):
    (root / "floor").write_text("1")
    failures, together = CONTEXT.Queue(), CONTEXT.Barrier(readers + writers)
    roles = [processes.keep_writing] * writers + [processes.keep_reading] * readers
    crowd = [start(role, root, together, seconds, failures) for role in roles]
    exits = [finish(process, within=seconds + 300) for process in crowd]
    assert exits == [0] * len(crowd), failures.get(timeout=1)
    written, published = check_whole(root)
    assert written == published > 1


def test_readers_and_writers_together_see_no_lock_no_half_state_and_nothing_stale(root):
    crowd(root, readers=4, writers=2, seconds=3)


@pytest.mark.slow
def test_sixteen_readers_and_four_writers_get_along_for_half_a_minute(root):
    crowd(root, readers=16, writers=4, seconds=30)


def test_a_rebuilt_database_takes_the_place_of_the_old_one_when_it_is_complete(root):
    warehouse = Warehouse(root)
    first = (warehouse.published / "current").resolve()
    with warehouse.recreate() as store:
        assert store.table("market.session").is_empty()
        for _ in range(3):
            processes.write_batch(store)
        with warehouse.read() as readers:
            assert processes.batches(readers) == 1
    assert check_whole(root) == (3, 1)
    assert warehouse.publish() != first
    assert check_whole(root) == (3, 3)


def test_a_rebuild_that_fails_leaves_the_database_as_it_was(root):
    warehouse = Warehouse(root)
    with pytest.raises(RuntimeError), warehouse.recreate() as store:
        processes.write_batch(store)
        processes.write_batch(store)
        raise RuntimeError
    assert check_whole(root) == (1, 1)
    with warehouse.recreate() as store:
        processes.write_batch(store)
        processes.write_batch(store)
    assert check_whole(root) == (2, 1)


def test_a_rebuild_carries_over_the_tables_it_is_told(root):
    warehouse = Warehouse(root)
    with warehouse.recreate(carry=["market.session"]) as store:
        assert len(store.table("market.session")) == processes.ROWS
        assert store.table("evaluation.score").is_empty()
    with warehouse.write() as store:
        assert len(store.table("market.session")) == processes.ROWS


def test_carried_observations_keep_their_state(root):
    warehouse = Warehouse(root)
    with warehouse.read() as store:
        before = store.state(at(10_000), processes.SERIES)
    with warehouse.recreate(carry=["ref.series", "raw.observation"]) as store:
        assert store.state(at(10_000), processes.SERIES) == before


def test_a_rebuild_replaces_a_damaged_database(root):
    (root / "cbi.duckdb").write_bytes(b"no database" * 1000)
    (root / "cbi.duckdb.wal").write_bytes(b"no log" * 1000)
    warehouse = Warehouse(root)
    with warehouse.recreate() as store:
        processes.write_batch(store)
    assert check_whole(root) == (1, 1)


def test_a_rebuild_ignores_the_log_a_killed_writer_left(root):
    process = start(processes.die_at_call, root, count_calls(root) // 2)
    finish(process)
    with Warehouse(root).recreate() as store:
        pass
    with Warehouse(root).write() as store:
        assert processes.batches(store) == 0
        assert isinstance(store.table("market.session"), pl.DataFrame)
