"""The ledger: every response a feed gave, by hash, before anything reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from pydantic import AwareDatetime, TypeAdapter

from cbi_pipeline.ledger._blobs import BlobStore
from cbi_pipeline.ledger._committed import describe_losses, read_committed, write_committed
from cbi_pipeline.ledger._errors import LedgerDamaged
from cbi_pipeline.ledger._level import next_number, require_ingestions
from cbi_pipeline.ledger._lines import (
    Readings,
    append_line,
    examine_documents,
    read_document,
    read_documents,
)
from cbi_pipeline.ledger._masking import mask
from cbi_pipeline.ledger._transactions import (
    Entry,
    append_entry,
    examine_entries,
    last_entry,
    read_entries,
    select_lasting,
)
from cbi_pipeline.warehouse import Store
from data_contracts.ledger import RESPONSE


@dataclass(frozen=True, slots=True)
class Response:
    """One stored answer; the columns of ``ledger.response``."""

    response_id: str
    feed: str
    url: str
    status: int
    headers: str
    fetched_at: AwareDatetime
    bytes: int
    sha256: str
    blob: str
    masked: str


_RESPONSE = TypeAdapter(Response)


class Ledger:
    """Response bytes under ``blobs/`` and one line per response in ``manifest.jsonl``.

    Both are fsynced before :meth:`land` returns, bytes first, so a manifest line always has
    its bytes. ``transactions.jsonl`` says which responses each ingestion used, and
    ``committed.json`` which of them is known to have come to be. The folder is the truth that the
    warehouse can be rebuilt from.

    Attributes:
        root: the folder.
        manifest: the responses, one a line.
        log_file: the ingestions, one a line.
        mark: what was committed last.
        clock_file: where a person's word for the machine's clock is noted.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = BlobStore(root)
        self.manifest = root / "manifest.jsonl"
        self.log_file = root / "transactions.jsonl"
        self.mark = root / "committed.json"
        self.clock_file = root / "clock.jsonl"
        self._responses: dict[str, Response] = {}
        self._read = self._lines = 0

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
        """Store one answer.

        The same bytes from the same address with the same status and headers are one response,
        and bytes are kept once. With others they are another response: what an answer means may
        stand in its headers alone. Secrets are masked before the first write, in address and
        headers as in the body.
        """
        secrets = tuple(secrets)
        safe = mask(body, secrets)
        address = mask(url.encode(), secrets).body.decode()
        text = json.dumps(dict(headers or {}), sort_keys=True).encode()
        digest = hashlib.sha256(safe.body).hexdigest()
        response = Response(
            response_id=identify(feed, address, digest),
            feed=feed,
            url=address,
            status=status,
            headers=mask(text, secrets).body.decode(),
            fetched_at=fetched_at.astimezone(UTC),
            bytes=len(safe.body),
            sha256=digest,
            blob=str(self._blobs.path(digest).relative_to(self.root)),
            masked=json.dumps(safe.spans),
        )
        self._read_on()
        first = self._responses.get(response.response_id)
        if first is not None and meaning(first) != meaning(response):
            response = replace(response, response_id=identify_sighting(response))
        if response.response_id in self._responses:
            return self._responses[response.response_id]
        self._blobs.stage(digest, safe.body)
        self._append(response)
        self._blobs.settle(digest)
        return response

    def body(self, response: Response) -> bytes:
        """The stored bytes of a response, checked against their hash.

        Raises:
            LedgerDamaged: the bytes are missing or changed.
        """
        return self._blobs.get(response.sha256)

    def responses(self, feed: str | None = None) -> list[Response]:
        """Responses in the order they were landed, of one feed or all.

        Raises:
            LedgerDamaged: a line of the manifest cannot be read; names file and line.
        """
        every = map(_in_utc, read_documents(self.manifest, _RESPONSE))
        return [response for response in every if feed in (None, response.feed)]

    def frame(self, responses: Iterable[Response]) -> pl.DataFrame:
        """Responses as rows of ``ledger.response``."""
        return pl.DataFrame([asdict(response) for response in responses], schema=RESPONSE.dtypes)

    def damage(self) -> list[str]:
        """Every stored response that is missing or changed, in words; empty when sound."""
        faults = []
        for _, response in self.examine_manifest().documents:
            try:
                self.body(response)
            except LedgerDamaged as error:
                faults.append(f"{response.feed} {response.url}: {error}")
        return faults

    @property
    def files(self) -> tuple[Path, Path]:
        """The append-only files."""
        return self.manifest, self.log_file

    def came_to_be(self, number: int) -> bool:
        """Whether the transaction of that number is known to have been committed."""
        return number <= read_committed(self.mark).txn_id

    def examine_manifest(self) -> Readings[Response]:
        """Every response whose line can be read, and every other line, in words."""
        return examine_documents(self.manifest, _RESPONSE)

    def examine_log(self) -> Readings[Entry]:
        """Every entry whose line can be read, and every other line, in words."""
        return examine_entries(self.log_file)

    def stored_bodies(self) -> Iterator[Path]:
        """Every file of bytes, whether the manifest names it or not."""
        return self._blobs.paths()

    def log(self, entry: Entry) -> None:
        """Note an ingestion durably, just before its transaction is committed."""
        append_entry(self.log_file, entry)

    def entries(self) -> list[Entry]:
        """The ingestions that came to be, in order.

        Raises:
            LedgerDamaged: a line of the log cannot be read; names file and line.
        """
        return select_lasting(read_entries(self.log_file))

    @property
    def newest_entry(self) -> Entry | None:
        """The newest ingestion; None before the first.

        Raises:
            LedgerDamaged: its line cannot be read.
        """
        return last_entry(self.log_file)

    @property
    def has_entries(self) -> bool:
        """Whether anything was ever ingested."""
        return self.newest_entry is not None

    @contextmanager
    def transaction(self, store: Store) -> Iterator[int]:
        """A transaction of the warehouse that is an ingestion; gives its number.

        :meth:`log` is called inside, as the last thing.

        Raises:
            BehindLedger, AheadOfLedger, LedgerDamaged: as :meth:`require_level`.
        """
        number = self._next_number(store)
        with store.transaction():
            yield number
        self._commit(number)

    def require_level(self, store: Store) -> None:
        """Refuse to write into a warehouse that does not hold what this ledger says.

        Args:
            store: the warehouse as it is written, open.

        Raises:
            BehindLedger: it was lost or is an older copy: `cbi rebuild` makes it again.
            AheadOfLedger: the ledger was lost or is an older copy.
            LedgerDamaged: a file of the ledger lost lines, or a line cannot be read.
        """
        newest = self._next_number(store) - 1
        if newest > read_committed(self.mark).txn_id:
            self._commit(newest)

    def require_ingestions(self, newest: int) -> None:
        """Refuse to make a warehouse again from less than was ingested.

        Args:
            newest: number of the newest ingestion that a warehouse is seen to hold; 0 without one.

        Raises:
            AheadOfLedger: ingestions are gone from the end of the log.
            LedgerDamaged: a line cannot be read.
        """
        require_ingestions(self.log_file, max(newest, read_committed(self.mark).txn_id))

    def require_whole(self) -> None:
        """Refuse files that are shorter than they were.

        Raises:
            LedgerDamaged: one is; names it.
        """
        for loss in describe_losses(self.root, read_committed(self.mark)):
            raise LedgerDamaged(loss)

    def _next_number(self, store: Store) -> int:
        number = next_number(self.log_file, read_committed(self.mark), store)
        self.require_whole()
        return number

    def _commit(self, number: int) -> None:
        write_committed(self.mark, number, self.files)

    def _read_on(self) -> None:
        """Learn what was landed since the last look, by whomever."""
        size = self.manifest.stat().st_size if self.manifest.exists() else 0
        if size < self._read:
            self._responses, self._read, self._lines = {}, 0, 0
        if size == self._read:
            return
        with self.manifest.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        for line in whole.decode(errors="surrogateescape").split("\n") if whole else ():
            self._lines += 1
            response = _in_utc(read_document(self.manifest, self._lines, line, _RESPONSE))
            self._responses[response.response_id] = response
        self._read += len(whole) + 1 if whole else 0

    def _append(self, response: Response) -> None:
        entry = asdict(response) | {"fetched_at": response.fetched_at.isoformat()}
        append_line(self.manifest, json.dumps(entry, sort_keys=True))


def identify(feed: str, url: str, sha256: str) -> str:
    """The identity of a response: of what came from where."""
    return _hash(feed, url, sha256)


def identify_sighting(response: Response) -> str:
    """The identity of bytes that came from the same address with another meaning before."""
    return _hash(response.feed, response.url, response.sha256, *meaning(response))


def meaning(response: Response) -> tuple[str, str]:
    """Status and headers but for the hour, which every answer has of its own."""
    headers = json.loads(response.headers)
    kept = {name: text for name, text in headers.items() if name.lower() not in ("date", "age")}
    return str(response.status), json.dumps(kept, sort_keys=True)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _in_utc(response: Response) -> Response:
    return replace(response, fetched_at=response.fetched_at.astimezone(UTC))
