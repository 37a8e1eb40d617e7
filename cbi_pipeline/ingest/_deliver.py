"""Write what a night says in one transaction and publish it; nothing when nothing is new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from cbi_pipeline.feeds import ClockInDoubt
from cbi_pipeline.feeds.live import LiveFeed
from cbi_pipeline.ingest._clock import require_clock
from cbi_pipeline.ingest._engine import (
    END_OF_TIME,
    IngestReport,
    versions_of,
)
from cbi_pipeline.ingest._faults import FaultLog
from cbi_pipeline.ingest._held import Held
from cbi_pipeline.ingest._judge import Judged, judge
from cbi_pipeline.ingest._night import IN_ORDER, Landed
from cbi_pipeline.ingest._redate import correct_dates
from cbi_pipeline.ingest._refusals import as_refusals
from cbi_pipeline.ingest._screen import REFUSAL
from cbi_pipeline.ledger import Entry, Ledger
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.families import family
from data_contracts.ledger import TRANSACTION
from data_contracts.observation import QUARANTINE
from data_contracts.reference import RELEASE, SERIES
from data_contracts.restatement import is_confirmable

#: However long a history is, its first load fits a small machine.
_MEMORY = "128MB"
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
    try:
        if landed.pulls and not landed.has_witness:
            require_clock(ledger, feed.name, landed.at, nightly=True)
    except ClockInDoubt as error:
        landed = landed.unused(error)
    # Only a night whose clock is believed has pulls that are used.
    corrected = correct_dates(ledger, warehouse, landed.at) if landed.pulls else ()
    judged, report = _judged(feed, landed, ledger, warehouse)
    faults.settle(feed.name, (*landed.faults, *judged.faults), landed.at)
    return replace(report, notices=corrected)


def _judged(
    feed: LiveFeed, landed: Landed, ledger: Ledger, warehouse: Warehouse
) -> tuple[Judged, IngestReport]:
    try:
        with warehouse.read() as store:
            held = Held.read(store, feed)
            judged = judge(feed, landed, ledger, held)
            quarantine = _quarantine(store, feed.name, refusals(feed, judged), judged, landed.at, 0)
            if not judged.says_new and quarantine.is_empty() and _known(store, feed):
                return judged, _report(store, feed, judged, changed=False, added=0)
    except NothingPublished:
        held = Held()
        judged = judge(feed, landed, ledger, held)
        if not judged.says_new and not judged.used:
            return judged, IngestReport(
                feed.name,
                changed=False,
                txn_id=0,
                added=0,
                state="",
                newest={},
                refusals=(),
                notices=(),
                **judged.counts,
            )
    with warehouse.write(memory=_MEMORY) as store, ledger.transaction(store) as txn_id:
        written = Held.read(store, feed)
        if written.sizes != held.sizes:
            # A run killed between commit and publication left rows that no snapshot shows.
            judged = judge(feed, landed, ledger, written)
        report = write_night(store, feed, landed, judged, ledger, txn_id)
        ledger.log(_entry(feed, landed, judged, report))
    warehouse.publish()
    return judged, report


def _entry(feed: LiveFeed, landed: Landed, judged: Judged, report: IngestReport) -> Entry:
    pulls = [
        {
            "name": pull.pull.name,
            "url": pull.pull.url,
            "series": list(pull.pull.series),
            "first": pull.pull.first.isoformat(),
            "last": pull.pull.last and pull.pull.last.isoformat(),
            "responses": [response.response_id for response in pull.responses],
        }
        for pull in landed.pulls
    ]
    return Entry(
        txn_id=report.txn_id,
        feed=feed.name,
        seen_at=landed.at,
        question={"kind": "night", "order": IN_ORDER, "pulls": pulls},
        contracts=versions_of(live_series(feed)),
        refused=refusals(feed, judged).select(list(REFUSAL)).to_dicts(),
        state=report.state,
    )


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
        refusals=(),
        notices=(),
        **judged.counts,
    )


def write_night(
    store: Store, feed: LiveFeed, landed: Landed, judged: Judged, ledger: Ledger, txn_id: int
) -> IngestReport:
    """Write a judged night inside the running transaction, which the ledger numbered."""
    store.replace("ref.series", live_series(feed))
    followed = store.table("ref.series")["series_id"].to_list()
    txns = store.table("ledger.txn")
    before = txns["state_after"][-1] if len(txns) else store.state(END_OF_TIME, followed)
    used = ledger.frame({one.response_id: one for one in judged.used}.values())
    known = store.query("SELECT response_id FROM ledger.response")
    store.append("ledger.response", used.join(known, on="response_id", how="anti"))
    added, releases = 0, RELEASE.empty()
    for rows in judged.rows():
        recorded = store.record(rows, seen_at=landed.at, txn_id=txn_id)
        added += recorded.added + recorded.withdrawn
        releases = earliest([releases, releases_of(store, rows)])
    add_releases(store, releases)
    rejected = refusals(feed, judged)
    store.replace(
        "quarantine.row", _quarantine(store, feed.name, rejected, judged, landed.at, txn_id)
    )
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


def releases_of(store: Store, rows: pl.DataFrame) -> pl.DataFrame:
    """The first release of each period that some rows tell of, as rows of ``ref.release``."""
    families = dict(store.query("SELECT series_id, family FROM ref.series").iter_rows())
    family = pl.col("series_id").replace_strict(families, return_dtype=pl.String)
    told = rows.filter(pl.col("status") != "withdrawn").select(
        family.alias("family"), "period", released_at="available_at", basis="available_basis"
    )
    return earliest([told])


def earliest(releases: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The first of several releases of each period."""
    return (
        pl.concat(releases)
        .select(list(RELEASE.dtypes))
        .sort("released_at", "basis")
        .unique(["family", "period"], keep="first")
    )


def add_releases(store: Store, releases: pl.DataFrame) -> None:
    """Note releases of periods that have none yet, inside the running transaction."""
    known = store.query("SELECT family, period FROM ref.release")
    store.replace("ref.release", releases.join(known, on=["family", "period"], how="anti"))


def _quarantine(
    store: Store, feed: str, rejected: pl.DataFrame, judged: Judged, seen_at: datetime, txn_id: int
) -> pl.DataFrame:
    """Rows of ``quarantine.row`` that a night adds or settles.

    A row refused again night after night is one quarantined row. An open one whose series and
    period were answered anew, without it, is superseded, or accepted where a second sight let it
    in.
    """
    opened = store.table("quarantine.row", "feed = ? AND fate = 'open'", [feed])
    answered = _answered(opened, judged)
    gone = answered.join(rejected, on=_SAME_ROW, how="anti", nulls_equal=True)
    fresh = rejected.join(opened, on=_SAME_ROW, how="anti", nulls_equal=True).with_columns(
        txn_id=pl.lit(txn_id, pl.Int64), seen_at=pl.lit(seen_at, pl.Datetime("us", "UTC"))
    )
    let_in = pl.col("series_id").is_in(list(judged.confirmed)) & pl.col("rule").is_in(
        list(filter(is_confirmable, gone["rule"].unique()))
    )
    fate = pl.when(let_in).then(pl.lit("accepted")).otherwise(pl.lit("superseded"))
    columns = list(QUARANTINE.dtypes)
    return pl.concat([gone.with_columns(fate=fate).select(columns), fresh.select(columns)])


def refusals(feed: LiveFeed, judged: Judged) -> pl.DataFrame:
    """Rejected rows as open rows of ``quarantine.row``, but for transaction and instant."""
    if judged.rejected is None:
        return QUARANTINE.empty().drop("txn_id", "seen_at")
    return as_refusals(
        feed.name, judged.rejected, {one.id: family(one.family).version for one in feed.series}
    )


def _answered(opened: pl.DataFrame, judged: Judged) -> pl.DataFrame:
    """Open rows whose series and period a pull of this night asked for."""
    period = pl.col("period")
    asked = [
        pl.col("series_id").is_in(pull.series)
        & ((period >= pull.first) & (period <= pull.last if pull.last else True)).fill_null(
            # A row whose date cannot be read stands for no period; the newest answer decides.
            value=pull.last is None
        )
        for pull in judged.covered
    ]
    return opened.filter(pl.any_horizontal(asked)) if asked else opened.clear()
