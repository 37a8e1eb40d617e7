"""Append-only files of one JSON document a line, safe against a crash in the middle of a line."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


def append_line(path: Path, text: str | Callable[[], str | None]) -> None:
    """Add a line durably; one that a crash left unfinished before it is dropped first.

    Processes that add to one file take turns.

    Args:
        path: the file, made when it is missing.
        text: the line; or what says it, or that there is none, once no one else adds any.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab+") as file:
        # A line that another process is writing right now looks like one cut off by a crash. The
        # system lets the lock go when the file is closed, or with the process.
        fcntl.flock(file, fcntl.LOCK_EX)
        _drop_torn_line(file.fileno())
        line = text if isinstance(text, str) else text()
        if line is None:
            return
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def whole_lines(path: Path) -> list[str]:
    """The finished lines, oldest first; none when there is no file."""
    if not path.exists():
        return []
    # A line without its line break was cut off by a crash before it counted.
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _drop_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.ftruncate(descriptor, os.pread(descriptor, size, 0).rfind(b"\n") + 1)
