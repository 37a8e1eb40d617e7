"""The transaction log: which responses each ingestion used, and how its rows were judged then."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, TypeAdapter

from cbi_pipeline.ledger._lines import (
    Readings,
    append_line,
    examine_documents,
    read_document,
    read_documents,
    require_cut_off,
    tail,
)
from cbi_pipeline.ledger._question import check_question


@dataclass(frozen=True, slots=True)
class Entry:
    """One ingestion, with all that bytes alone do not say.

    Attributes:
        txn_id: number of the transaction, as in ``ledger.txn``.
        feed: feed ingested.
        seen_at: when its rows became known to us.
        question: what was asked, as the ingestion that wrote the entry needs it to go again.
        contracts: version of each series family's contract then.
        refused: rows set aside then: response_id, locator, rule, column_name, value and
            contract_version. What was not known then stays unknown then, whatever a later
            contract says of the row.
        state: state of the accepted content afterwards.
    """

    txn_id: int
    feed: str
    seen_at: AwareDatetime
    question: Annotated[Mapping[str, Any], AfterValidator(check_question)]
    contracts: Mapping[str, str]
    refused: list[dict[str, Any]] = field(default_factory=list)
    state: str = ""

    @property
    def responses(self) -> list[str]:
        """Ids of the responses it used; none where rows of an earlier one were judged again."""
        return [
            name
            for part in self.question.get("pulls", [self.question])
            for name in part.get("responses", [])
        ]


_ENTRY = TypeAdapter(Entry)


def append_entry(path: Path, entry: Entry) -> None:
    """Add an entry durably."""
    document = asdict(entry) | {"seen_at": entry.seen_at.isoformat()}
    append_line(path, json.dumps(document, sort_keys=True))


def read_entries(path: Path) -> list[Entry]:
    """Every entry, those that never came to be included, in the order of the lines."""
    return [_in_utc(entry) for entry in read_documents(path, _ENTRY)]


def examine_entries(path: Path) -> Readings[Entry]:
    """Every entry whose line can be read, and every other line, in words."""
    documents, faults = examine_documents(path, _ENTRY)
    return Readings([(number, _in_utc(entry)) for number, entry in documents], faults)


def parse_entry(path: Path, number: int, line: str) -> Entry:
    """The entry of one line."""
    return _in_utc(read_document(path, number, line, _ENTRY))


def last_entry(path: Path) -> Entry | None:
    """The newest entry, which always counts; None without one.

    Raises:
        LedgerDamaged: its line cannot be read, or a whole one without its line break follows.
    """
    end = tail(path)
    require_cut_off(path, end.number + 1, end.rest)
    return parse_entry(path, end.number, end.line) if end.number else None


def select_lasting(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that count, by number.

    An entry is written just before its transaction is committed. Numbers are given out in turn,
    so one that repeats means that the transaction before it never came to be.
    """
    effective: list[Entry] = []
    for entry in entries:
        while effective and effective[-1].txn_id >= entry.txn_id:
            effective.pop()
        effective.append(entry)
    return effective


def _in_utc(entry: Entry) -> Entry:
    return replace(entry, seen_at=entry.seen_at.astimezone(UTC))
