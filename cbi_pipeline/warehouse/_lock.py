"""The lock that lets one process write at a time."""

from __future__ import annotations

import fcntl
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from cbi_pipeline.warehouse._errors import WarehouseBusy

_PAUSE_S = (0.01, 0.06)


@contextmanager
def writer_lock(path: Path, wait_s: float) -> Iterator[None]:
    """Hold the writer lock; the system releases it when the process dies, however it dies.

    Args:
        path: lock file, created when missing and never removed.
        wait_s: seconds to wait for another writer.

    Raises:
        WarehouseBusy: names the process that holds the lock and since when.
    """
    deadline = time.monotonic() + wait_s
    # flock belongs to an open file, so two threads of one process exclude each other as well.
    with path.open("a+") as handle:
        # Only the one at the gate waits for the lock, so a busy writer that comes straight back
        # queues behind it instead of slipping in again.
        with path.with_suffix(".gate").open("a") as gate:
            while not (_try_lock(gate) and _try_lock(handle)):
                if time.monotonic() >= deadline:
                    raise WarehouseBusy(_complaint(path, wait_s))
                pause()
        _sign(handle)
        yield


def pause() -> None:
    """Wait a moment of random length, so that waiting writers do not knock in step."""
    time.sleep(random.uniform(*_PAUSE_S))


def _try_lock(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(handle: IO[str]) -> None:
    holder = {
        "pid": os.getpid(),
        "program": Path(sys.argv[0]).name,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    handle.truncate(0)
    handle.write(json.dumps(holder))
    handle.flush()


def _complaint(path: Path, wait_s: float) -> str:
    return (
        f"another writer holds the warehouse: {_holder(path)}; waited {wait_s:g} s. "
        f"Let it finish, or stop it if it hangs, and run again"
    )


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
    except json.JSONDecodeError:  # read between the holder's truncate and write
        return "a process that has just begun"
    return f"process {holder['pid']} ({holder['program']}) since {holder['since']}"
