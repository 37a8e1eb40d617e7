"""Bytes that outlast a power cut: a whole file, what was added to one, the entries of a folder.

`forecasting` keeps a form of its own: a registered version carries that package alone.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from cbi_pipeline.home import make_folders


def write_durably(path: Path, body: bytes) -> None:
    """Write a file so that after a crash it is whole, or what it was before."""
    make_folders(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            flush_to_disk(file)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync(path.parent)


def flush_to_disk(file: BinaryIO) -> None:
    """Force what was written into an open file to disk."""
    file.flush()
    os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Force a file, or a folder's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
