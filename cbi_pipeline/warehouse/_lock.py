"""The lock that lets one process write at a time."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cbi_pipeline.warehouse._errors import WarehouseBusy

_PAUSE_S = (0.01, 0.06)
_POLL_S = 0.02


@contextmanager
def writer_lock(path: Path, wait_s: float) -> Iterator[None]:
    """Hold the writer lock; the system releases it when the process dies, however it dies.

    Args:
        path: lock file, created when missing and never removed.
        wait_s: seconds to wait for another writer.

    Raises:
        WarehouseBusy: names the process that holds the lock and since when.
    """
    from filelock import FileLock, Timeout

    deadline = time.monotonic() + wait_s
    # A lock belongs to its own open file, so two threads of one process exclude each other as well.
    lock, gate = FileLock(path), FileLock(path.with_suffix(".gate"))
    try:
        # Only the one at the gate waits for the lock, so a busy writer that comes straight back
        # queues behind it instead of slipping in again.
        with gate.acquire(wait_s, poll_interval=_POLL_S):
            left_s = max(0.0, deadline - time.monotonic())
            acquired = lock.acquire(left_s, poll_interval=_POLL_S)
    except Timeout as error:
        raise WarehouseBusy(_complaint(path, wait_s)) from error
    with acquired:
        _sign(path)
        yield


def pause() -> None:
    """Wait a moment of random length, so that waiting writers do not knock in step."""
    time.sleep(random.uniform(*_PAUSE_S))


def _sign(path: Path) -> None:
    holder = {
        "pid": os.getpid(),
        "program": Path(sys.argv[0]).name,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path.write_text(json.dumps(holder))


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
