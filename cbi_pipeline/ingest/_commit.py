"""Commit: what a verdict says is written in one transaction and published; nothing when all is old.

Bytes are in the ledger before anything reads them, reading and judging happen outside the database,
and one short transaction writes the outcome. The same bytes again under the same contracts write
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from cbi_pipeline.feeds import ClockInDoubt, Source
from cbi_pipeline.ingest._clock import correct_dates, require_clock
from cbi_pipeline.ingest._incidents import FaultLog
from cbi_pipeline.ingest._judged import Judged
from cbi_pipeline.ingest._land import JUDGED_AS, Landed
from cbi_pipeline.ingest._quarantine import describe_refusals, refusals, settle
from cbi_pipeline.ingest._screen import REFUSAL
from cbi_pipeline.ingest._stage import END_OF_TIME, Held
from cbi_pipeline.ingest._validate import judge
from cbi_pipeline.ledger import Entry, Ledger
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.families import family
from data_contracts.ledger import TRANSACTION
from data_contracts.reference import RELEASE, SERIES

#: However long a history is, its first load fits a small machine.
_MEMORY = "128MB"


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ingestion did; counts are rows.

    Attributes:
        changed: False when nothing new was said and nothing was written.
        newest: newest accepted period per series family.
        withdrawn: of the versions added, those that say that a period is gone.
        refusals: rows that were set aside, in words.
        notices: what a person should know although nothing is lost.
    """

    feed: str
    changed: bool
    txn_id: int
    parsed: int
    accepted: int
    added: int
    quarantined: int
    duplicates: int
    ignored: int
    state: str
    newest: Mapping[str, date]
    withdrawn: int = 0
    refusals: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def series_table(source: Source, names: Collection[str]) -> pl.DataFrame:
    """Rows of ``ref.series`` for some series of a source."""
    wanted = set(names)
    rows = [
        {
            "series_id": one.id,
            "family": one.family,
            "name": one.name,
            "unit": one.unit,
            "frequency": one.frequency,
            "dimensions": json.dumps(dict(one.dimensions), sort_keys=True),
            "source": one.origin or f"{source.title}: {one.group}",
            "rights": one.rights or family(one.family).rights,
            "contract_version": family(one.family).version,
        }
        for one in source.series
        if one.id in wanted
    ]
    return pl.DataFrame(rows, schema=SERIES.dtypes).sort("series_id")


def deliver(
    source: Source, landed: Landed, ledger: Ledger, warehouse: Warehouse, faults: FaultLog
) -> IngestReport:
    """Judge what a night landed, write what is new, and note what is wrong.

    Returns:
        What was done; ``changed`` is False when nothing was written to the warehouse.
    """
    try:
        if landed.pulls and not landed.has_witness:
            require_clock(ledger, source.name, landed.at, nightly=True)
    except ClockInDoubt as error:
        landed = landed.unused(error)
    # Only a night whose clock is believed has pulls that are used.
    corrected = correct_dates(ledger, warehouse, landed.at) if landed.pulls else ()
    with Held.published(warehouse, source) as held:
        judged = judge(source, landed, ledger, held)
    judged, report = _commit(source, landed, judged, held, ledger, warehouse)
    faults.settle(source.name, (*landed.faults, *judged.faults), landed.at)
    return replace(report, notices=corrected)


def commit(
    source: Source,
    landed: Landed,
    judged: Judged,
    ledger: Ledger,
    warehouse: Warehouse,
    *,
    held: Held | None = None,
    withdraws: Callable[[Store], bool] = lambda store: False,
) -> IngestReport:
    """Write a judged delivery of files in one transaction and publish it.

    Args:
        source: whose files they are.
        landed: what lay in them.
        judged: the verdict on it.
        ledger: where their bytes lie.
        warehouse: where their rows go.
        held: what it was judged by; None where it does not matter, as for a closed record.
        withdraws: whether held periods are to be withdrawn although the same bytes came last;
            raises where that makes the delivery hard to believe.

    Raises:
        BehindLedger, AheadOfLedger, LedgerDamaged: warehouse and ledger do not belong together.
    """
    corrected = correct_dates(ledger, warehouse, landed.at)
    _, report = _commit(source, landed, judged, held or Held(), ledger, warehouse, withdraws)
    return replace(report, notices=corrected)


def _commit(
    source: Source,
    landed: Landed,
    judged: Judged,
    held: Held,
    ledger: Ledger,
    warehouse: Warehouse,
    withdraws: Callable[[Store], bool] = lambda store: False,
) -> tuple[Judged, IngestReport]:
    try:
        with warehouse.read() as store:
            if not withdraws(store) and _is_old(store, source, landed, judged):
                return judged, _report(source, judged, *_last(store), changed=False)
    except NothingPublished:
        if not judged.used:
            return judged, _report(source, judged, 0, "", changed=False)
    with warehouse.write(memory=_MEMORY) as store, ledger.transaction(store) as txn_id:
        withdraws(store)
        written = Held.read(store, source)
        if source.closed is None and written.sizes != held.sizes:
            # A run killed between commit and publication left rows that no snapshot shows.
            judged = judge(source, landed, ledger, written)
        report = write(store, source, landed, judged, ledger, txn_id)
        ledger.log(_entry(source, landed, judged, report))
    warehouse.publish()
    return judged, report


def _is_old(store: Store, source: Source, landed: Landed, judged: Judged) -> bool:
    """Whether there is nothing to write: of files, that their bytes came last as they are now."""
    series = series_table(source, landed.asked)
    if len(series.join(store.table("ref.series"), on=series.columns, how="anti")):
        return False
    if source.service is None:
        last = store.table("ledger.txn", "feed = ?", [source.name]).sort("txn_id").tail(1)
        used = sorted(response.response_id for response in judged.used)
        return len(last) > 0 and sorted(last["response_ids"][0]) == used
    return not judged.says_new and settle(store, source, judged, landed.at, 0).is_empty()


def _entry(source: Source, landed: Landed, judged: Judged, report: IngestReport) -> Entry:
    asks = _files(source, landed) if source.service is None else _pulls(landed)
    return Entry(
        txn_id=report.txn_id,
        feed=source.name,
        seen_at=landed.at,
        question=asks,
        contracts=versions_of(series_table(source, landed.asked)),
        refused=refusals(source, judged).select(list(REFUSAL)).to_dicts(),
        state=report.state,
    )


def _files(source: Source, landed: Landed) -> dict[str, object]:
    spans = {one.id: one.span for one in source.series if one.span is not None}
    return {
        "kind": "files",
        "responses": [one.response_id for one in landed.responses],
        "known_until": (source.closed or landed.at).isoformat(),
        "series": series_table(source, landed.asked).to_dicts(),
        "spans": {name: list(map(str, span)) for name, span in spans.items()},
        "adds": source.adds,
    }


def _pulls(landed: Landed) -> dict[str, object]:
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
    return {"kind": "night", **JUDGED_AS, "pulls": pulls}


def versions_of(series: pl.DataFrame) -> dict[str, str]:
    """Contract version of each family of some rows of ``ref.series``."""
    return dict(series.select("family", "contract_version").unique().sort("family").iter_rows())


def _last(store: Store) -> tuple[int, str]:
    """Number of the newest transaction, and the state after it."""
    last = store.table("ledger.txn").tail(1)
    return (last["txn_id"].item(), last["state_after"].item()) if len(last) else (0, "")


def _report(
    source: Source,
    judged: Judged,
    txn_id: int,
    state: str,
    *,
    changed: bool,
    added: int = 0,
    withdrawn: int = 0,
) -> IngestReport:
    return IngestReport(
        feed=source.name,
        changed=changed,
        txn_id=txn_id,
        added=added,
        state=state,
        newest=judged.newest,
        withdrawn=withdrawn,
        refusals=describe_refusals(judged.rejected),
        notices=(),
        **judged.counts,
    )


def write(
    store: Store, source: Source, landed: Landed, judged: Judged, ledger: Ledger, txn_id: int
) -> IngestReport:
    """Write a verdict inside the running transaction, which the ledger numbered."""
    store.replace("ref.series", series_table(source, landed.asked))
    followed = store.table("ref.series")["series_id"].to_list()
    before = _last(store)[1] or store.state(END_OF_TIME, followed)
    used = ledger.frame({one.response_id: one for one in judged.used}.values())
    known = store.query("SELECT response_id FROM ledger.response")
    store.append("ledger.response", used.join(known, on="response_id", how="anti"))
    added, withdrawn, releases = 0, 0, RELEASE.empty()
    for rows, complete in judged.rows():
        recorded = store.record(
            rows, seen_at=landed.at, txn_id=txn_id, complete=complete, table=source.table
        )
        added += recorded.added + recorded.withdrawn
        withdrawn += recorded.withdrawn + len(rows.filter(status="withdrawn"))
        releases = earliest([releases, releases_of(store, rows)])
    add_releases(store, releases)
    store.replace("quarantine.row", settle(store, source, judged, landed.at, txn_id))
    after = store.state(END_OF_TIME, followed)
    row = {
        "txn_id": txn_id,
        "feed": source.name,
        "seen_at": landed.at,
        "response_ids": used["response_id"].to_list(),
        "state_before": before,
        "state_after": after,
        **judged.counts,
        "added": added,
    }
    store.append("ledger.txn", pl.DataFrame([row], schema=TRANSACTION.dtypes))
    return _report(source, judged, txn_id, after, changed=True, added=added, withdrawn=withdrawn)


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
