"""The ledger: every response a feed gave, by hash, before anything reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from cbi_pipeline.ledger._blobs import BlobStore, LedgerDamaged
from cbi_pipeline.ledger._lines import append_line, whole_lines
from cbi_pipeline.ledger._masking import mask
from cbi_pipeline.ledger._transactions import Entry, append_entry, standing_entries
from data_contracts.ledger import RESPONSE


@dataclass(frozen=True, slots=True)
class Response:
    """One stored answer; the columns of ``ledger.response``."""

    response_id: str
    feed: str
    url: str
    status: int
    headers: str
    fetched_at: datetime
    bytes: int
    sha256: str
    blob: str
    masked: str


class Ledger:
    """Response bytes under ``blobs/`` and one line per response in ``manifest.jsonl``.

    Both are fsynced before :meth:`land` returns, bytes first, so a manifest line always has
    its bytes. ``transactions.jsonl`` says which responses each ingestion used. The folder is the
    truth that the warehouse can be rebuilt from.

    Attributes:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = BlobStore(root)
        self._manifest = root / "manifest.jsonl"
        self._transactions = root / "transactions.jsonl"
        self._known: dict[str, Response] = {}
        self._read = 0

    def land(
        self,
        *,
        feed: str,
        url: str,
        body: bytes,
        fetched_at: datetime,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        secrets: Iterable[str] = (),
    ) -> Response:
        """Store one answer. The same bytes from the same address are one response, kept once.

        Secrets are masked before the first write, in the address as in the body.
        """
        secrets = tuple(secrets)
        safe = mask(body, secrets)
        address = mask(url.encode(), secrets).body.decode()
        digest = hashlib.sha256(safe.body).hexdigest()
        identity = hashlib.sha256("\0".join((feed, address, digest)).encode()).hexdigest()[:32]
        self._read_on()
        if identity in self._known:
            return self._known[identity]
        self._blobs.put(digest, safe.body)
        response = Response(
            response_id=identity,
            feed=feed,
            url=address,
            status=status,
            headers=mask(
                json.dumps(dict(headers or {}), sort_keys=True).encode(), secrets
            ).body.decode(),
            fetched_at=fetched_at.astimezone(UTC),
            bytes=len(safe.body),
            sha256=digest,
            blob=str(self._blobs.path(digest).relative_to(self.root)),
            masked=json.dumps(safe.spans),
        )
        self._append(response)
        return response

    def body(self, response: Response) -> bytes:
        """The stored bytes of a response, checked against their hash.

        Raises:
            LedgerDamaged: the bytes are missing or changed.
        """
        return self._blobs.get(response.sha256)

    def responses(self, feed: str | None = None) -> list[Response]:
        """Responses in the order they were landed, of one feed or all."""
        every = [_from_line(line) for line in whole_lines(self._manifest)]
        return [response for response in every if feed in (None, response.feed)]

    def frame(self, responses: Iterable[Response]) -> pl.DataFrame:
        """Responses as rows of ``ledger.response``."""
        return pl.DataFrame([asdict(response) for response in responses], schema=RESPONSE.dtypes)

    def damage(self) -> list[str]:
        """Every stored response that is missing or changed, in words; empty when sound."""
        found = []
        for response in self.responses():
            try:
                self.body(response)
            except LedgerDamaged as error:
                found.append(f"{response.feed} {response.url}: {error}")
        return found

    def log(self, entry: Entry) -> None:
        """Note an ingestion durably, just before its transaction is committed."""
        append_entry(self._transactions, entry)

    def entries(self) -> list[Entry]:
        """The ingestions that came to be, in order."""
        return standing_entries(self._transactions)

    def _read_on(self) -> None:
        """Learn what was landed since the last look, by whomever."""
        size = self._manifest.stat().st_size if self._manifest.exists() else 0
        if size < self._read:
            self._known, self._read = {}, 0
        if size == self._read:
            return
        with self._manifest.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        for line in whole.decode().splitlines():
            response = _from_line(line)
            self._known[response.response_id] = response
        self._read += len(whole) + 1 if whole else 0

    def _append(self, response: Response) -> None:
        entry = asdict(response) | {"fetched_at": response.fetched_at.isoformat()}
        append_line(self._manifest, json.dumps(entry, sort_keys=True))


def _from_line(line: str) -> Response:
    entry = json.loads(line)
    return Response(**entry | {"fetched_at": datetime.fromisoformat(entry["fetched_at"])})
