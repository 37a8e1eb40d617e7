"""Making the copy of a database out of an earlier copy of it, so that it costs what has changed.

DuckDB writes into blocks that were free and into new ones: of a file of gigabytes a night changes
a few dozen. An earlier snapshot that nobody reads any more is brought up to date block by block;
whole files are read, and only what differs is written.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Sequence
from pathlib import Path

#: What DuckDB allocates at a time; the headers before the first block shift nothing that matters.
BLOCK = 256 * 1024


def take_unread(snapshots: Sequence[Path], target: Path) -> bool:
    """Rename the first of some snapshots that nobody has open; the others that were tried go.

    Args:
        snapshots: what is not needed any more, the best first.
        target: its new name, in the same folder.

    Returns:
        False where every one of them is in use or the system cannot tell.
    """
    for snapshot in snapshots:
        # First the name: afterwards nobody can open it any more. A reader keeps a file without one.
        snapshot.replace(target)
        if _is_unread(target):
            return True
        target.unlink()
    return False


def update_copy(source: Path, copy: Path) -> int:
    """Make ``copy`` equal to ``source``; writes the blocks that differ alone.

    Returns:
        Bytes written.

    Raises:
        OSError: no room, or the file system failed; ``copy`` is then neither of the two.
    """
    written = 0
    ours, theirs = bytearray(BLOCK), bytearray(BLOCK)
    with source.open("rb", buffering=0) as reading, copy.open("r+b", buffering=0) as writing:
        while size := reading.readinto(ours):
            at = reading.tell() - size
            writing.seek(at)
            if writing.readinto(theirs) != size or ours[:size] != theirs[:size]:
                writing.seek(at)
                written += _write_all(writing.fileno(), memoryview(ours)[:size])
        writing.truncate(reading.tell())
    return written


def _is_unread(path: Path) -> bool:
    """Whether no process has a file open and no other name leads to it.

    The kernel grants a lease for writing on a file that nobody else has open, in this process or in
    another; where it grants none at all (network file systems, other systems) the answer is no.
    """
    if not hasattr(fcntl, "F_SETLEASE") or path.stat().st_nlink > 1:
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        # Whoever opens it before the lease is given back makes the kernel send a signal: one that
        # is ignored in place of one that ends the process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _write_all(descriptor: int, content: memoryview) -> int:
    size = len(content)
    while content:
        content = content[os.write(descriptor, content) :]
    return size
