"""Rows that a wrong clock dated in the future are entered once more, as known since it is right.

Such a row would stay hidden until its date comes. Under the first clock that is believed it gets a
further version with the same value: what was written stays as it is, and from then on the value is
read. The entry in the ledger makes a rebuild do the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from cbi_pipeline.ingest._clock import APART
from cbi_pipeline.ingest._stage import END_OF_TIME
from cbi_pipeline.ledger import Entry, Ledger
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.ledger import TRANSACTION
from data_contracts.observation import OBSERVATION

#: What stands in the place of a feed where dates were corrected.
CLOCK = "clock"

# Periods that lie ahead themselves are nothing that anybody could have known.
_LATE = """
    FROM raw.observation
    WHERE (seen_at > $1 OR available_at > $1) AND period <= $2"""
_NEWEST_LATE = f"""
    SELECT * FROM (
        SELECT * FROM raw.observation
        SEMI JOIN (SELECT DISTINCT series_id, period {_LATE}) USING (series_id, period)
        QUALIFY version = max(version) OVER (PARTITION BY series_id, period))
    WHERE seen_at > $1 OR available_at > $1
    ORDER BY series_id, period"""


def correct_dates(ledger: Ledger, warehouse: Warehouse, now: datetime) -> tuple[str, ...]:
    """Enter rows that are dated in the future once more, as known since now, and publish them.

    Args:
        ledger: where the correction is noted.
        warehouse: where the rows are.
        now: what a clock shows that was found right.

    Returns:
        What was corrected, in words; empty when nothing was, and then nothing is written.

    Raises:
        BehindLedger, AheadOfLedger, LedgerDamaged: warehouse and ledger do not belong together.
    """
    limit = now + APART
    try:
        with warehouse.read() as store:
            if _late_rows(store, now, limit).is_empty():
                return ()
    except NothingPublished:
        return ()
    with warehouse.write() as store, ledger.transaction(store) as txn_id:
        state = redate(store, now, limit, txn_id)
        question = {"kind": "clock", "dated_after": limit.isoformat()}
        ledger.log(Entry(txn_id, CLOCK, now, question, contracts={}, state=state))
    warehouse.publish()
    with warehouse.read() as store:
        return describe_corrections(store, now)


def redate(store: Store, now: datetime, limit: datetime, txn_id: int) -> str:
    """Correct the dates inside the running transaction, which the ledger numbered.

    Args:
        store: the warehouse, open for writing.
        now: since when the rows are known.
        limit: rows that are dated later than this are corrected.
        txn_id: the transaction's number.

    Returns:
        The state afterwards.
    """
    followed = store.table("ref.series")["series_id"].to_list()
    before = store.state(END_OF_TIME, followed)
    late = _late_rows(store, now, limit)
    store.append("raw.observation", _known_since(late, now, txn_id))
    _redate_rest(store, now, limit)
    after = store.state(END_OF_TIME, followed)
    row = {
        "txn_id": txn_id,
        "feed": CLOCK,
        "seen_at": now,
        "response_ids": [],
        "state_before": before,
        "state_after": after,
        **dict.fromkeys(("parsed", "accepted", "quarantined", "duplicates", "ignored"), 0),
        "added": len(late),
    }
    store.append("ledger.txn", pl.DataFrame([row], schema=TRANSACTION.dtypes))
    return after


def describe_corrections(store: Store, since: datetime) -> tuple[str, ...]:
    """The corrections of dates that were made since an instant, in words."""
    made = store.table("ledger.txn", "feed = ? AND seen_at >= ?", [CLOCK, since])
    return tuple(_words(made.select("added", "seen_at").iter_rows()))


def _words(corrections: Iterable[tuple[int, datetime]]) -> Iterable[str]:
    for number, at in corrections:
        values = "1 value was" if number == 1 else f"{number:,} values were"
        yield (
            f"{values} dated in the future, by a clock that was wrong when they came; they are "
            f"known since {at:%Y-%m-%d %H:%M} UTC now"
        )


def _late_rows(store: Store, now: datetime, limit: datetime) -> pl.DataFrame:
    return store.query(_NEWEST_LATE, [limit, now.date()])


def _known_since(late: pl.DataFrame, now: datetime, txn_id: int) -> pl.DataFrame:
    instant, ahead = pl.lit(now, pl.Datetime("us", "UTC")), pl.col("available_at") > now
    return late.with_columns(
        version=pl.col("version") + 1,
        available_at=pl.when(ahead).then(instant).otherwise("available_at"),
        available_basis=pl.when(ahead).then(pl.lit("first_seen")).otherwise("available_basis"),
        seen_at=instant,
        txn_id=pl.lit(txn_id, pl.Int64),
    ).cast(pl.Schema(OBSERVATION.dtypes))


def _redate_rest(store: Store, now: datetime, limit: datetime) -> None:
    """Rows set aside, which wait for a later night's word, and releases."""
    instant = pl.lit(now, pl.Datetime("us", "UTC"))
    aside = store.table("quarantine.row", "seen_at > ?", [limit])
    store.replace("quarantine.row", aside.with_columns(seen_at=instant))
    released = store.table("ref.release", "released_at > ? AND period <= ?", [limit, now.date()])
    store.replace(
        "ref.release", released.with_columns(released_at=instant, basis=pl.lit("first_seen"))
    )
