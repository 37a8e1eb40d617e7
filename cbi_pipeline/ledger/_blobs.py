"""Bytes on disk under their own hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cbi_pipeline.durable import sync, write_durably
from cbi_pipeline.ledger._errors import LedgerDamaged

#: Bytes whose line in the manifest is still to be written: a crash may leave them without one.
_LANDING = ".landing-"


class BlobStore:
    """Immutable bytes, one file each, named by their SHA-256.

    Bytes are put in two steps, durable each: :meth:`stage` before they are entered in a list,
    :meth:`settle` after. So bytes under their plain name are always entered somewhere.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def stage(self, digest: str, body: bytes) -> None:
        """Store bytes durably; bytes already there are left alone."""
        if not self.path(digest).exists():
            write_durably(self._name_staged(digest), body)

    def settle(self, digest: str) -> None:
        """Give staged bytes their plain name."""
        # Whoever stages the same bytes at the same time may have settled them first.
        with suppress(FileNotFoundError):
            self._name_staged(digest).replace(self.path(digest))
            sync(self.path(digest).parent)

    def get(self, digest: str) -> bytes:
        """The bytes of that hash.

        Raises:
            LedgerDamaged: the file is missing or holds other bytes.
        """
        path = self.path(digest)
        # The last look is for bytes settled between the first two.
        stored = next(filter(Path.is_file, (path, self._name_staged(digest), path)), None)
        if stored is None:
            raise LedgerDamaged(f"{path} is missing from the ledger; restore it from a copy")
        body = stored.read_bytes()
        if hashlib.sha256(body).hexdigest() != digest:
            raise LedgerDamaged(
                f"{path} no longer holds the bytes it was named for; restore it from a copy"
            )
        return body

    def path(self, digest: str) -> Path:
        """Where the bytes of that hash lie."""
        return self._root / "blobs" / digest[:2] / digest

    def paths(self) -> Iterator[Path]:
        """Every file under its plain name."""
        return (
            path
            for path in sorted(self._root.glob("blobs/*/*"))
            if not path.name.startswith(".") and path.is_file()
        )

    def _name_staged(self, digest: str) -> Path:
        return self.path(digest).with_name(_LANDING + digest)
