"""Whether a warehouse holds what the ledger says was ingested, neither less nor more."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cbi_pipeline.ledger._committed import Committed
from cbi_pipeline.ledger._lines import tail
from cbi_pipeline.ledger._transactions import Entry, last_entry, read_entries, select_lasting
from cbi_pipeline.warehouse import AheadOfLedger, BehindLedger, Store

Transaction = tuple[int, str, datetime]
_NOTHING = 0


def next_number(log: Path, committed: Committed, store: Store) -> int:
    """Number of the transaction to come, from the log, after comparing the warehouse with it.

    An entry that a killed process logged and never committed is passed over: its number is given
    out again.

    Args:
        log: the transaction log.
        committed: the newest transaction that is known to have come to be.
        store: the warehouse as it is written, open.

    Raises:
        BehindLedger: ingestions of the log are not in the warehouse, or others are.
        AheadOfLedger: the warehouse holds ingestions that the log lacks.
        LedgerDamaged: the log cannot be read; names file and line.
    """
    entry, newest = last_entry(log), newest_transaction(store)
    logged = entry.txn_id if entry else _NOTHING
    stored = newest[0] if newest else _NOTHING
    require_ingestions(log, stored)
    if stored == logged - 1 and committed.txn_id < logged:
        entry = _before_last(log)
    elif stored < logged:
        raise BehindLedger(_describe_behind(log, stored, logged))
    if entry is not None and newest is not None and newest != transaction_of(entry):
        raise BehindLedger(
            f"the warehouse's {describe(newest)} is not that of {log}, {describe_entry(entry)}: "
            "one of the two is of another home or an older copy. Put back the ledger that belongs "
            "to it, or run `cbi rebuild` to make the warehouse again from this one"
        )
    return stored + 1


def require_ingestions(log: Path, stored: int) -> None:
    """Refuse a log that does not go on to a transaction that came to be.

    Raises:
        AheadOfLedger: it ends before.
        LedgerDamaged: it cannot be read; names file and line.
    """
    entry = last_entry(log)
    logged = entry.txn_id if entry else _NOTHING
    if stored > logged:
        raise AheadOfLedger(_describe_ahead(log, stored, logged))


def newest_transaction(store: Store) -> Transaction | None:
    """Number, feed and instant of the newest transaction in a warehouse; None without one."""
    rows = store.query(
        "SELECT txn_id, feed, seen_at FROM ledger.txn ORDER BY txn_id DESC LIMIT 1"
    ).rows()
    return rows[0] if rows else None


def transaction_of(entry: Entry) -> Transaction:
    """Number, feed and instant of an entry."""
    return entry.txn_id, entry.feed, entry.seen_at


def describe(transaction: Transaction) -> str:
    """A transaction in words."""
    number, feed, seen_at = transaction
    return f"transaction {number} ({feed}, {seen_at:%Y-%m-%d %H:%M:%S} UTC)"


def describe_entry(entry: Entry) -> str:
    """An entry's transaction in words."""
    return describe(transaction_of(entry))


def _before_last(log: Path) -> Entry | None:
    *before, _ = select_lasting(read_entries(log))
    return before[-1] if before else None


def _describe_ahead(log: Path, stored: int, logged: int) -> str:
    end = tail(log)
    cut = f", and line {end.number + 1} is cut off" if end.rest else ""
    lacks = f"ends with transaction {logged}{cut}" if logged else "holds none" + cut
    return (
        f"the warehouse took ingestions up to transaction {stored}, and the ledger's log, {log}, "
        f"{lacks}: it was lost or is an older copy. Nothing was written; put back the newest copy "
        f"of {log.parent}"
    )


def _describe_behind(log: Path, stored: int, logged: int) -> str:
    holds = f"ends with transaction {stored}" if stored else "holds no ingestion"
    return (
        f"the warehouse {holds}, and the ledger, {log}, goes on to transaction {logged}: the "
        "warehouse was lost or is an older copy. Nothing was written; run `cbi rebuild`, then the "
        "same command again"
    )
