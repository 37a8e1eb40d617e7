"""Rows that come back from quarantine: judged again from their bytes, entered as known now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from cbi_pipeline.ingest._again import Bytes, delivery, night
from cbi_pipeline.ingest._deliver import add_releases, releases_of
from cbi_pipeline.ingest._engine import END_OF_TIME
from cbi_pipeline.ingest._held import CELL
from cbi_pipeline.ingest._read import ReadSeries, read_pull
from cbi_pipeline.ingest._redate import CLOCK
from cbi_pipeline.ledger import Entry
from cbi_pipeline.warehouse import Store
from data_contracts.ledger import TRANSACTION
from data_contracts.observation import QUARANTINE

PLACE = ["response_id", "locator"]


@dataclass(frozen=True, slots=True)
class Passing:
    """Rows once refused that keep today's rules.

    Attributes:
        places: response_id and locator of each.
        overtaken: those whose series and period something newer was accepted for since.
        rows: rows to record, in the order of their vintages.
    """

    places: pl.DataFrame
    overtaken: pl.DataFrame
    rows: pl.DataFrame


def judge_again(store: Store, entry: Entry, places: pl.DataFrame, source: Bytes) -> Passing:
    """Judge rows of an earlier ingestion under today's rules.

    They are dated as their ingestion would have dated them. A series that was refused as a whole,
    and no longer is, brings all its rows.

    Args:
        store: an open warehouse.
        entry: the ingestion that set them aside.
        places: response_id and locator of the rows.
        source: where bytes and feeds are.
    """
    good, unused = _good(store, entry, places, source)
    passing = good.join(places, on=PLACE, how="semi", maintain_order="left")
    # A date that was corrected since is nothing new of the value.
    held = store.query(
        """
        SELECT series_id, period, coalesce(max(txn_id) FILTER (txn_id NOT IN (
            SELECT txn_id FROM ledger.txn WHERE feed = ?)), 0) > ? AS newer
        FROM raw.observation GROUP BY ALL""",
        [CLOCK, entry.txn_id],
    )
    newer = held.filter("newer")
    brought = unused & set(passing["series_id"])
    unheard = good.filter(pl.col("series_id").is_in(brought)).join(held, on=CELL, how="anti")
    fresh = pl.concat([passing.join(newer, on=CELL, how="anti"), unheard]).unique(PLACE)
    return Passing(
        places=passing.select(PLACE),
        overtaken=passing.join(newer, on=CELL, how="semi").select(PLACE),
        rows=good.join(fresh.select(PLACE), on=PLACE, how="semi", maintain_order="left"),
    )


def _good(
    store: Store, entry: Entry, places: pl.DataFrame, source: Bytes
) -> tuple[pl.DataFrame, set[str]]:
    """Rows that pass now, and series of which nothing was used then."""
    before = source.refused(entry)
    still = before.join(places, on=PLACE, how="anti")
    if entry.question["kind"] == "files":
        _, prepared = delivery(entry, source, still)
        rows = [
            screened.good.with_columns(response_id=pl.lit(response.response_id))
            for response, _, screened in prepared.parts
        ]
        return pl.concat(rows), set()
    held = store.query(
        "SELECT series_id, count(*) FROM raw.observation WHERE txn_id < ? GROUP BY ALL",
        [entry.txn_id],
    )
    loaded = dict(held.iter_rows())
    feed, landed = night(entry, source)

    def read(refused: pl.DataFrame) -> Iterator[ReadSeries]:
        for pull in landed.pulls:
            yield from read_pull(feed, pull, loaded, landed.at, refused)

    rows = [some.good for some in read(still)]
    return pl.concat(rows), {name for some in read(before) for name in some.doubted}


def readmit(
    store: Store, entry: Entry, passing: Passing, now: datetime, asked: int, txn_id: int
) -> str:
    """Record passing rows and settle their quarantine, inside the running transaction.

    A row known only by our own sight of it is known from ``now`` on: until then nobody here
    relied on it. A row that its publisher or its release rule dates keeps that date.

    Args:
        store: the warehouse, open for writing.
        entry: the ingestion that set the rows aside.
        passing: what :func:`judge_again` found.
        now: when they became known to us.
        asked: rows that were judged again.
        txn_id: number of the running transaction, from the ledger.

    Returns:
        The state afterwards.
    """
    followed = store.table("ref.series")["series_id"].to_list()
    before = store.state(END_OF_TIME, followed)
    rows = _dated(passing.rows, now)
    added = 0
    for (_,), part in rows.group_by(["response_id"], maintain_order=True):
        added += store.record(part, seen_at=now, txn_id=txn_id).added
    add_releases(store, releases_of(store, rows))
    _settle(store, passing)
    after = store.state(END_OF_TIME, followed)
    row = {
        "txn_id": txn_id,
        "feed": entry.feed,
        "seen_at": now,
        "response_ids": entry.responses,
        "state_before": before,
        "state_after": after,
        "parsed": asked,
        "accepted": len(passing.places) - len(passing.overtaken),
        "added": added,
        "quarantined": asked - len(passing.places),
        "duplicates": 0,
        "ignored": 0,
    }
    store.append("ledger.txn", pl.DataFrame([row], schema=TRANSACTION.dtypes))
    return after


def _dated(rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    ours = pl.col("available_basis") == "first_seen"
    instant = pl.lit(now, pl.Datetime("us", "UTC"))
    return rows.with_columns(available_at=pl.when(ours).then(instant).otherwise("available_at"))


def _settle(store: Store, passing: Passing) -> None:
    opened = store.table("quarantine.row", "fate = 'open'")
    late = opened.join(passing.overtaken, on=PLACE, how="semi")
    taken = opened.join(passing.places, on=PLACE, how="semi").join(
        passing.overtaken, on=PLACE, how="anti"
    )
    settled = [
        late.with_columns(fate=pl.lit("superseded")),
        taken.with_columns(fate=pl.lit("accepted")),
    ]
    store.replace("quarantine.row", pl.concat(settled).select(list(QUARANTINE.dtypes)))
