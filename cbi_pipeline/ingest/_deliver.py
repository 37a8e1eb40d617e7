"""Write what a night says in one transaction and publish it; nothing when nothing is new."""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl

from cbi_pipeline.feeds.live import LiveFeed
from cbi_pipeline.ingest._engine import END_OF_TIME, IngestReport, next_txn
from cbi_pipeline.ingest._faults import FaultLog
from cbi_pipeline.ingest._held import Held
from cbi_pipeline.ingest._judge import Judged, judge
from cbi_pipeline.ingest._night import Landed
from cbi_pipeline.ledger import Ledger
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.families import family
from data_contracts.ledger import TRANSACTION
from data_contracts.observation import QUARANTINE
from data_contracts.reference import RELEASE, SERIES

_SAME_ROW = ["series_id", "rule", "row"]


def live_series(feed: LiveFeed) -> pl.DataFrame:
    """Rows of ``ref.series`` for every series a live feed follows."""
    rows = [
        {
            "series_id": one.id,
            "family": one.family,
            "name": one.name,
            "unit": one.unit,
            "frequency": one.frequency,
            "dimensions": json.dumps(dict(one.dimensions), sort_keys=True),
            "source": f"{feed.title}: {one.group}",
            "rights": family(one.family).rights,
            "contract_version": family(one.family).version,
        }
        for one in feed.series
    ]
    return pl.DataFrame(rows, schema=SERIES.dtypes).sort("series_id")


def deliver(
    feed: LiveFeed, landed: Landed, ledger: Ledger, warehouse: Warehouse, faults: FaultLog
) -> IngestReport:
    """Judge what was landed, write what is new, and note what is wrong.

    Returns:
        What was done; ``changed`` is False when nothing was written to the warehouse.
    """
    held = Held.of(warehouse, feed)
    judged = judge(feed, landed, ledger, held)
    report = _written(feed, landed, judged, ledger, warehouse)
    faults.settle(feed.name, (*landed.faults, *judged.faults), landed.at)
    return report


def _written(
    feed: LiveFeed, landed: Landed, judged: Judged, ledger: Ledger, warehouse: Warehouse
) -> IngestReport:
    try:
        with warehouse.read() as store:
            quarantine = _quarantine(store, feed, judged, landed.at, 0)
            if judged.rows.is_empty() and quarantine.is_empty() and _known(store, feed):
                return _report(store, feed, judged, changed=False, added=0)
    except NothingPublished:
        if judged.rows.is_empty() and not judged.used:
            return IngestReport(
                feed.name, changed=False, txn_id=0, added=0, state="", newest={}, **judged.counts
            )
    with warehouse.write() as store, store.transaction():
        report = _write(store, feed, landed, judged, ledger)
    warehouse.publish()
    return report


def _known(store: Store, feed: LiveFeed) -> bool:
    series = live_series(feed)
    return series.join(store.table("ref.series"), on=series.columns, how="anti").is_empty()


def _report(
    store: Store, feed: LiveFeed, judged: Judged, *, changed: bool, added: int
) -> IngestReport:
    last = store.table("ledger.txn").tail(1)
    return IngestReport(
        feed=feed.name,
        changed=changed,
        txn_id=last["txn_id"].item() if len(last) else 0,
        added=added,
        state=last["state_after"].item() if len(last) else "",
        newest=judged.newest,
        **judged.counts,
    )


def _write(
    store: Store, feed: LiveFeed, landed: Landed, judged: Judged, ledger: Ledger
) -> IngestReport:
    store.replace("ref.series", live_series(feed))
    followed = store.table("ref.series")["series_id"].to_list()
    txns = store.table("ledger.txn")
    txn_id = next_txn(store)
    before = txns["state_after"][-1] if len(txns) else store.state(END_OF_TIME, followed)
    used = ledger.frame({one.response_id: one for one in judged.used}.values())
    known = store.query("SELECT response_id FROM ledger.response")
    store.append("ledger.response", used.join(known, on="response_id", how="anti"))
    recorded = store.record(judged.rows, seen_at=landed.at, txn_id=txn_id)
    _release(store, feed, judged)
    store.replace("quarantine.row", _quarantine(store, feed, judged, landed.at, txn_id))
    added = recorded.added + recorded.withdrawn
    row = {
        "txn_id": txn_id,
        "feed": feed.name,
        "seen_at": landed.at,
        "response_ids": used["response_id"].to_list(),
        "state_before": before,
        "state_after": store.state(END_OF_TIME, followed),
        **judged.counts,
        "added": added,
    }
    store.append("ledger.txn", pl.DataFrame([row], schema=TRANSACTION.dtypes))
    return _report(store, feed, judged, changed=True, added=added)


def _release(store: Store, feed: LiveFeed, judged: Judged) -> None:
    families = {one.id: one.family for one in feed.series}
    first = (
        judged.rows.filter(pl.col("status") != "withdrawn")
        .with_columns(family=pl.col("series_id").replace_strict(families, return_dtype=pl.String))
        .group_by("family", "period")
        .agg(pl.all().sort_by("available_at").first())
        .select("family", "period", released_at="available_at", basis="available_basis")
        .select(list(RELEASE.dtypes))
    )
    known = store.query("SELECT family, period FROM ref.release")
    store.replace("ref.release", first.join(known, on=["family", "period"], how="anti"))


def _quarantine(
    store: Store, feed: LiveFeed, judged: Judged, seen_at: datetime, txn_id: int
) -> pl.DataFrame:
    """Rows of ``quarantine.row`` that a night adds or settles.

    A row refused again night after night is one quarantined row. An open one whose series and
    period were answered anew, without it, is superseded.
    """
    opened = store.table("quarantine.row", "feed = ? AND fate = 'open'", [feed.name])
    rejected = _rejected(feed, judged, seen_at, txn_id)
    answered = _answered(opened, judged)
    gone = answered.join(rejected, on=_SAME_ROW, how="anti", nulls_equal=True)
    fresh = rejected.join(opened, on=_SAME_ROW, how="anti", nulls_equal=True)
    return pl.concat([gone.with_columns(fate=pl.lit("superseded")), fresh]).select(
        list(QUARANTINE.dtypes)
    )


def _rejected(feed: LiveFeed, judged: Judged, seen_at: datetime, txn_id: int) -> pl.DataFrame:
    if judged.rejected is None:
        return QUARANTINE.empty()
    versions = {one.id: family(one.family).version for one in feed.series}
    return (
        judged.rejected.select(
            "response_id",
            "locator",
            "rule",
            pl.lit(feed.name).alias("feed"),
            "series_id",
            "column_name",
            pl.col("offending").alias("value"),
            pl.col("row_json").alias("row"),
            pl.col("series_id")
            .replace_strict(versions, default="unfollowed", return_dtype=pl.String)
            .alias("contract_version"),
            pl.lit("open").alias("fate"),
            pl.lit(txn_id, pl.Int64).alias("txn_id"),
            pl.lit(seen_at).dt.cast_time_unit("us").alias("seen_at"),
        )
        .unique(list(QUARANTINE.key), keep="first", maintain_order=True)
        .select(list(QUARANTINE.dtypes))
    )


def _answered(opened: pl.DataFrame, judged: Judged) -> pl.DataFrame:
    """Open rows whose series and period a pull of this night asked for."""
    dates = [pl.col("row").str.json_path_match(path).str.head(10) for path in _DATE_PATHS]
    period = pl.coalesce(dates).str.to_date("%Y-%m-%d", strict=False)
    asked = [
        pl.col("series_id").is_in(pull.series)
        & ((period >= pull.first) & (period <= pull.last if pull.last else True)).fill_null(
            # A row whose date cannot be read stands for no period; the newest answer decides.
            value=pull.last is None
        )
        for pull in judged.covered
    ]
    return opened.filter(pl.any_horizontal(asked)) if asked else opened.clear()


_DATE_PATHS = ("$.period", "$.report_date_as_yyyy_mm_dd")
