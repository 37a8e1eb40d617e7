"""Retry: quarantined rows judged again from their bytes, under the contracts of today."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from cbi_pipeline.feeds import Source
from cbi_pipeline.ingest._clock import CLOCK, require_clock
from cbi_pipeline.ingest._commit import list_releases, note_releases
from cbi_pipeline.ingest._land import Landed
from cbi_pipeline.ingest._replay import Bytes, list_contracts, read_landed
from cbi_pipeline.ingest._screen import find_refused_series, screen_pull
from cbi_pipeline.ingest._sources import file_sources, live_feeds
from cbi_pipeline.ingest._stage import LOCATION
from cbi_pipeline.ingest._stored import Stored, note_transaction, read_state
from cbi_pipeline.ledger import Entry, Ledger, bind_warehouse
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Store, Warehouse
from data_contracts.observation import QUARANTINE
from data_contracts.versioned import VersionedTable


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
    feeds: Mapping[str, Source],
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
    retried = [
        _retry_entry(warehouse, source, entries[number], part.select(LOCATION).unique(), now)
        for (number,), part in rows.sort("txn_id").group_by(["txn_id"], maintain_order=True)
    ]
    if any(outcome.txn_id for outcome in retried):
        warehouse.publish()
    return retried


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
        live_feeds(settings) | file_sources(settings),
        rule,
        lambda _: datetime.now(UTC),
        feed,
    )


def _retry_entry(
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
        question = {
            "kind": "retry",
            "of": entry.txn_id,
            "places": [list(row) for row in passing.places.iter_rows()],
            "asked": len(places),
        }
        contracts = list_contracts(entry)
        entered = Entry(txn_id, entry.feed, instant, question, contracts, state=state)
        source.ledger.log(entered)
    late = len(passing.overtaken)
    return Retried(
        feed=entry.feed,
        txn_id=txn_id,
        asked=len(places),
        accepted=len(passing.places) - late,
        overtaken=late,
        refused=len(places) - len(passing.places),
    )


@dataclass(frozen=True, slots=True)
class Passing:
    """Rows once refused that keep today's rules.

    Attributes:
        places: response_id and locator of each.
        overtaken: those whose series and period something newer was accepted for since.
        rows: rows to record, in the order of their vintages.
        table: table that they are of.
    """

    places: pl.DataFrame
    overtaken: pl.DataFrame
    rows: pl.DataFrame
    table: VersionedTable


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
    feed, landed = read_landed(entry, source)
    table, cell = feed.table, feed.table.cell
    good, unused = _screen_again(
        store, feed, landed, source.list_refused(entry), places, entry.txn_id
    )
    passing = good.join(places, on=LOCATION, how="semi", maintain_order="left")
    # A date that was corrected since is nothing new of the value.
    present = store.query(
        f"""
        SELECT {", ".join(cell)}, coalesce(max(txn_id) FILTER (txn_id NOT IN (
            SELECT txn_id FROM ledger.txn WHERE feed = ?)), 0) > ? AS newer
        FROM {table.name} GROUP BY ALL""",
        [CLOCK, entry.txn_id],
    )
    newer = present.filter("newer")
    brought = unused & set(passing["series_id"])
    unheard = good.filter(pl.col("series_id").is_in(brought)).join(present, on=cell, how="anti")
    fresh = pl.concat([passing.join(newer, on=cell, how="anti"), unheard]).unique(LOCATION)
    return Passing(
        places=passing.select(LOCATION),
        overtaken=passing.join(newer, on=cell, how="semi").select(LOCATION),
        rows=good.join(fresh.select(LOCATION), on=LOCATION, how="semi", maintain_order="left"),
        table=table,
    )


def _screen_again(
    store: Store,
    feed: Source,
    landed: Landed,
    before: pl.DataFrame,
    places: pl.DataFrame,
    txn_id: int,
) -> tuple[pl.DataFrame, set[str]]:
    """Rows that pass now, and series of which nothing was used then."""
    sizes = store.query(
        f"SELECT series_id, count(*) AS versions, max({feed.table.day_sql}) AS newest "
        f"FROM {feed.table.name} WHERE txn_id < ? GROUP BY ALL",
        [txn_id],
    )
    stored = Stored(
        newest=dict(sizes.select("series_id", "newest").iter_rows()),
        sizes=dict(sizes.select("series_id", "versions").iter_rows()),
        table=feed.table,
    )

    def read(refused: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
        goods, names = [], set[str]()
        for pull in landed.pulls:
            screened = list(screen_pull(feed, pull, stored, landed.at, refused))
            unused = find_refused_series(feed, [part.shares for part in screened])
            believed = ~pl.col("series_id").is_in(list(unused))
            goods += [part.good.filter(believed) for part in screened]
            names |= unused.keys()
        return pl.concat(goods), names

    still = before.join(places, on=LOCATION, how="anti")
    return read(still)[0], read(before)[1]


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
    before, rows, added = read_state(store), _date_rows(passing.rows, now), 0
    for (_,), part in rows.group_by(["response_id"], maintain_order=True):
        added += store.record(part, seen_at=now, txn_id=txn_id, table=passing.table).added
    note_releases(store, list_releases(store, rows))
    _settle(store, passing)
    counts = {
        "parsed": asked,
        "accepted": len(passing.places) - len(passing.overtaken),
        "added": added,
        "quarantined": asked - len(passing.places),
    }
    return note_transaction(
        store,
        txn_id=txn_id,
        feed=entry.feed,
        seen_at=now,
        before=before,
        counts=counts,
        response_ids=entry.responses,
    )


def _date_rows(rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    ours = pl.col("available_basis") == "first_seen"
    instant = pl.lit(now, pl.Datetime("us", "UTC"))
    return rows.with_columns(available_at=pl.when(ours).then(instant).otherwise("available_at"))


def _settle(store: Store, passing: Passing) -> None:
    opened = store.table("quarantine.row", "fate = 'open'")
    late = opened.join(passing.overtaken, on=LOCATION, how="semi")
    taken = opened.join(passing.places, on=LOCATION, how="semi").join(
        passing.overtaken, on=LOCATION, how="anti"
    )
    settled = [
        late.with_columns(fate=pl.lit("superseded")),
        taken.with_columns(fate=pl.lit("accepted")),
    ]
    store.replace("quarantine.row", pl.concat(settled).select(list(QUARANTINE.dtypes)))
