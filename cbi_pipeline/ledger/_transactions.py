"""The transaction log: which responses each ingestion used, and how its rows were judged then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cbi_pipeline.ledger._lines import append_line, whole_lines


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
    seen_at: datetime
    question: Mapping[str, Any]
    contracts: Mapping[str, str]
    refused: list[dict[str, Any]] = field(default_factory=list)
    state: str = ""


def append_entry(path: Path, entry: Entry) -> None:
    """Add an entry durably."""
    document = asdict(entry) | {"seen_at": entry.seen_at.isoformat()}
    append_line(path, json.dumps(document, sort_keys=True))


def standing_entries(path: Path) -> list[Entry]:
    """The entries that count, by number.

    An entry is written just before its transaction is committed. Numbers are given out in turn,
    so one that repeats means that the transaction before it, and any after that, never came to be.
    """
    standing: list[Entry] = []
    for line in whole_lines(path):
        entry = _entry(json.loads(line))
        while standing and standing[-1].txn_id >= entry.txn_id:
            standing.pop()
        standing.append(entry)
    return standing


def _entry(document: dict[str, Any]) -> Entry:
    return Entry(**document | {"seen_at": datetime.fromisoformat(document["seen_at"])})
