"""Bytes on disk under their own hash."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


class LedgerDamaged(RuntimeError):
    """Stored bytes no longer match their hash, or are gone; the message names the file."""


class BlobStore:
    """Immutable bytes, one file each, named by their SHA-256."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, digest: str, body: bytes) -> None:
        """Store bytes durably under their hash; bytes already there are left alone."""
        path = self.path(digest)
        if not path.exists():
            write_durably(path, body)

    def get(self, digest: str) -> bytes:
        """The bytes of that hash.

        Raises:
            LedgerDamaged: the file is missing or holds other bytes.
        """
        path = self.path(digest)
        if not path.is_file():
            raise LedgerDamaged(f"{path} is missing from the ledger")
        body = path.read_bytes()
        if hashlib.sha256(body).hexdigest() != digest:
            raise LedgerDamaged(f"{path} no longer holds the bytes it was named for")
        return body

    def path(self, digest: str) -> Path:
        """Where the bytes of that hash lie."""
        return self._root / "blobs" / digest[:2] / digest


def write_durably(path: Path, body: bytes) -> None:
    """Write a file so that after a crash it is whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
