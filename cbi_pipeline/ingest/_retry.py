"""Try quarantined rows again: from their bytes, under the contracts of today."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from cbi_pipeline.feeds.live import LiveFeed
from cbi_pipeline.ingest._again import Bytes
from cbi_pipeline.ingest._clock import require_clock
from cbi_pipeline.ingest._live import live_feeds
from cbi_pipeline.ingest._readmit import PLACE, Passing, judge_again, readmit
from cbi_pipeline.ingest._rebuild import contracts_today
from cbi_pipeline.ledger import Entry, Ledger, bind_warehouse
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of the rows that one ingestion had set aside; counts are rows.

    Attributes:
        feed: feed that carried them.
        txn_id: transaction that let them in; None when none passes and nothing was written.
        asked: rows judged again.
        accepted: rows that keep today's rules and were entered.
        overtaken: rows that keep them, but for whose period something newer had come since.
        refused: rows that still break a rule and stay in quarantine.
    """

    feed: str
    txn_id: int | None
    asked: int
    accepted: int
    overtaken: int
    refused: int


def retry(
    ledger: Ledger,
    warehouse: Warehouse,
    feeds: Mapping[str, LiveFeed],
    rule: str,
    now: Callable[[str], datetime],
    feed: str | None = None,
) -> list[Retried]:
    """Judge open rows of quarantine again and enter those that keep today's rules.

    Args:
        ledger: bytes, manifest and transaction log.
        warehouse: the warehouse.
        feeds: live feeds by name.
        rule: only rows that broke this rule.
        now: feed name to the instant at which its rows become known to us.
        feed: only rows of this feed.

    Returns:
        One line per ingestion that had set such rows aside; none when no such row is open.

    Raises:
        LedgerDamaged: the bytes of a row are missing or changed.
        BehindLedger, AheadOfLedger: warehouse and ledger do not belong together.
        NothingPublished: nothing was ever ingested.
    """
    with warehouse.read() as store:
        rows = store.table("quarantine.row", "fate = 'open' AND rule = ?", [rule])
    if feed is not None:
        rows = rows.filter(pl.col("feed") == feed)
    entries, source = {entry.txn_id: entry for entry in ledger.entries()}, Bytes(ledger, feeds)
    found = [
        _one(warehouse, source, entries[number], part.select(PLACE).unique(), now)
        for (number,), part in rows.sort("txn_id").group_by(["txn_id"], maintain_order=True)
    ]
    if any(one.txn_id for one in found):
        warehouse.publish()
    return found


def retry_quarantined(settings: Settings, rule: str, feed: str | None = None) -> list[Retried]:
    """:func:`retry` now, with the ledger, warehouse and feeds of the settings.

    Raises:
        ClockInDoubt: the machine's clock is behind what was ingested before.
    """
    ledger = Ledger(settings.ledger_dir)
    require_clock(ledger, feed or "quarantine", datetime.now(UTC))
    return retry(
        ledger,
        bind_warehouse(settings),
        live_feeds(settings),
        rule,
        lambda _: datetime.now(UTC),
        feed,
    )


def _one(
    warehouse: Warehouse,
    source: Bytes,
    entry: Entry,
    places: pl.DataFrame,
    now: Callable[[str], datetime],
) -> Retried:
    with warehouse.read() as store:
        passing = judge_again(store, entry, places, source)
    if passing.places.is_empty():
        return Retried(entry.feed, None, len(places), 0, 0, len(places))
    with warehouse.write() as store, source.ledger.transaction(store) as txn_id:
        # Judged anew: another writer may have been here in between.
        passing = judge_again(store, entry, places, source)
        instant = now(entry.feed)
        state = readmit(store, entry, passing, instant, len(places), txn_id)
        source.ledger.log(_entry(txn_id, entry, passing, instant, len(places), state))
    late = len(passing.overtaken)
    return Retried(
        feed=entry.feed,
        txn_id=txn_id,
        asked=len(places),
        accepted=len(passing.places) - late,
        overtaken=late,
        refused=len(places) - len(passing.places),
    )


def _entry(
    txn_id: int, first: Entry, passing: Passing, now: datetime, asked: int, state: str
) -> Entry:
    return Entry(
        txn_id=txn_id,
        feed=first.feed,
        seen_at=now,
        question={
            "kind": "retry",
            "of": first.txn_id,
            "places": [list(place) for place in passing.places.iter_rows()],
            "asked": asked,
        },
        contracts=contracts_today(first),
        state=state,
    )
