"""What other processes do to a warehouse in the tests: write, read, die."""

import os
import resource
import signal
import sys
import time
from functools import cache
from pathlib import Path

import duckdb
import polars as pl

from cbi_pipeline.warehouse import Warehouse
from data_contracts import contract
from tests.warehouse.frames import at, observations, reference, rows_for

ROWS = 40
SERIES = ["S.A", "S.B"]


@cache
def rows(table):
    """A batch of a table. Never made on import: a process forked after polars has started its
    threads would wait for them for ever."""
    return rows_for(contract(table), ROWS)


def write_batch(store):
    """Add the next batch to three tables in one transaction; returns its number."""
    with store.transaction():
        number = store.query("SELECT count(*) FROM market.session").item() // ROWS
        name = pl.lit(f"batch {number}")
        store.replace("ref.series", reference(*SERIES))
        store.append("market.session", rows("market.session").with_columns(commodity=name))
        store.append(
            "raw.observation",
            observations([(s, number, 1, number, number, 1.0 * number, "value") for s in SERIES]),
        )
        store.append("evaluation.score", rows("evaluation.score").with_columns(recipe=name))
    return number


def batches(store):
    """Number of batches in the store, after checking that each of them is whole."""
    prices, observed, scores = (
        store.query(f"SELECT count(*) FROM {table}").item()
        for table in ("market.session", "raw.observation", "evaluation.score")
    )
    number = prices // ROWS
    assert (prices, observed, scores) == (number * ROWS, number * 2, number * ROWS)
    return number


def write_and_publish(root):
    warehouse = Warehouse(root)
    with warehouse.write() as store:
        write_batch(store)
    warehouse.publish()


def die_at_call(root, call):
    """Write and publish, but be killed at the given call of a function in or from the package."""
    left = call

    def count(frame, event, _):
        nonlocal left
        if event in ("call", "c_call") and "cbi_pipeline/warehouse" in frame.f_code.co_filename:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    write_and_publish(root)
    sys.setprofile(None)
    (Path(root) / "calls").write_text(str(call - left))


def write_for_ever(root):
    while True:
        write_and_publish(root)


def write_with_room_for(root, room, action):
    """Write, or publish, where no file may grow beyond ``room`` bytes; exits 0 when refused."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    warehouse = Warehouse(root)
    try:
        if action == "publish":
            warehouse.publish()
        else:
            _write_a_lot(warehouse)
    except (duckdb.Error, OSError):
        sys.exit(0)
    sys.exit("it went through")


def _write_a_lot(warehouse):
    count = 200_000
    many = pl.DataFrame(
        {
            "recipe": [f"{number:x} {number * 7919:x}" for number in range(count)],
            "value": [number**0.5 for number in range(count)],
        }
    )
    frame = rows("evaluation.score")[:1].drop("recipe", "value").join(many, how="cross")
    with warehouse.write() as store, store.transaction():
        write_batch(store)
        store.append("evaluation.score", frame)


def keep_writing(root, together, seconds, failures):
    """Compete for the warehouse from when all are there until the time is over."""
    warehouse = Warehouse(root, wait_s=120)
    floor = Path(root) / "floor"
    try:
        for _ in until_the_end(together, seconds):
            with warehouse.write() as store:
                write_batch(store)
            warehouse.publish()
            with warehouse.read() as store:
                published = batches(store)
            # Noted only when readers can see it, so whoever starts to read now must see as much.
            note = floor.with_suffix(f".{os.getpid()}")
            note.write_text(str(published))
            note.replace(floor)
    except BaseException as error:
        failures.put(f"writer: {error!r}")
        raise


def keep_reading(root, together, seconds, failures):
    """Read until the time is over; each snapshot whole and no older than what was published."""
    warehouse, reads = Warehouse(root), 0
    floor = Path(root) / "floor"
    try:
        for _ in until_the_end(together, seconds):
            least = int(floor.read_text())
            with warehouse.read() as store:
                found = batches(store)
                store.state(at(10_000), SERIES)
            assert found >= least, f"{found} batches published, {least} were before"
            reads += 1
            time.sleep(0.02)
        assert reads > 1, "no second read in all this time"
    except BaseException as error:
        failures.put(f"reader: {error!r}")
        raise


def until_the_end(together, seconds):
    """Turns: one to warm up, then, from when all are there, until the time is over."""
    yield
    together.wait(timeout=300)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
