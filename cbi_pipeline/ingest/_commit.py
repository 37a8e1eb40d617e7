"""Commit: what a verdict says is written in one transaction and published; nothing when all is old.

Bytes are in the ledger before anything reads them, reading and judging happen outside the database,
and one short transaction writes the outcome. The same bytes again under the same contracts write
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from cbi_pipeline.feeds import Source
from cbi_pipeline.ingest._clock import correct_dates
from cbi_pipeline.ingest._incidents import FaultLog
from cbi_pipeline.ingest._land import JUDGED_AS, Landed
from cbi_pipeline.ingest._screen import REFUSAL
from cbi_pipeline.ingest._stored import Stored, note_transaction, read_state
from cbi_pipeline.ingest._validate import Judged, describe_refusals, judge
from cbi_pipeline.ledger import Entry, Ledger
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.families import family
from data_contracts.observation import QUARANTINE
from data_contracts.reference import RELEASE, SERIES
from data_contracts.restatement import is_confirmable

#: However long a history is, its first load fits a small machine, and so does a year of the minutes
#: of an instrument, which the state hashes together.
_MEMORY = "256MB"
_SAME_ROW = ["series_id", "rule", "row"]


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


def deliver(
    source: Source, landed: Landed, ledger: Ledger, warehouse: Warehouse, faults: FaultLog
) -> IngestReport:
    """Judge what a night landed, write what is new, and note what is wrong.

    Returns:
        What was done; ``changed`` is False when nothing was written to the warehouse.
    """
    judged, report = record(source, landed, ledger, warehouse)
    faults.settle(source.name, (*landed.faults, *judged.faults), landed.at)
    return report


def record(
    source: Source,
    landed: Landed,
    ledger: Ledger,
    warehouse: Warehouse,
    require: Callable[[Judged], object] = lambda judged: None,
) -> tuple[Judged, IngestReport]:
    """Judge what was landed by what is stored, and write what is new in one transaction.

    Args:
        source: where it is from.
        landed: what came.
        ledger: where its bytes lie.
        warehouse: where its rows go.
        require: raises where a verdict is hard to believe, before anything is written.

    Raises:
        BehindLedger, AheadOfLedger, LedgerDamaged: warehouse and ledger do not belong together.
    """
    while True:
        with Stored.open_newest(warehouse, source) as stored:
            judged = judge(source, landed, ledger, stored)
        require(judged)
        report = _write_news(landed, judged, ledger, warehouse, stored.sizes)
        if report is not None:
            return judged, report
        # Another run committed meanwhile.
        warehouse.publish()


def commit(landed: Landed, judged: Judged, ledger: Ledger, warehouse: Warehouse) -> IngestReport:
    """Write a judged delivery of a closed record in one transaction and publish it.

    Args:
        landed: what lay in its files.
        judged: the verdict on it, which nothing that is stored changes.
        ledger: where their bytes lie.
        warehouse: where their rows go.

    Raises:
        BehindLedger, AheadOfLedger, LedgerDamaged: warehouse and ledger do not belong together.
    """
    corrected = correct_dates(ledger, warehouse, landed.at)
    report = _write_news(landed, judged, ledger, warehouse)
    assert report is not None
    return replace(report, notices=corrected)


def _write_news(
    landed: Landed,
    judged: Judged,
    ledger: Ledger,
    warehouse: Warehouse,
    sizes: Mapping[str, int] | None = None,
) -> IngestReport | None:
    """Write and publish what is new.

    Args:
        landed: what came.
        judged: the verdict on it.
        ledger: where its bytes lie.
        warehouse: where its rows go.
        sizes: versions per series that were stored when it was judged; None where that is nothing
            to it.

    Returns:
        What was done; None where other versions are stored by now, and nothing was.
    """
    try:
        with warehouse.read() as store:
            if _is_old(store, landed, judged):
                return _report(judged, *_read_last(store), changed=False)
    except NothingPublished:
        if not judged.used:
            return _report(judged, 0, "", changed=False)
    with warehouse.write(memory=_MEMORY) as store:
        if sizes is not None and Stored.read(store, judged.source).sizes != sizes:
            return None
        with ledger.transaction(store) as txn_id:
            report = write(store, landed, judged, ledger, txn_id)
            ledger.log(_describe(landed, judged, report))
    warehouse.publish()
    return report


def _is_old(store: Store, landed: Landed, judged: Judged) -> bool:
    """Whether there is nothing to write: of files, that their bytes came last as they are now."""
    source = judged.source
    series = list_series(source, landed.asked)
    if len(series.join(store.table("ref.series"), on=series.columns, how="anti")):
        return False
    if source.service is None:
        last = store.table("ledger.txn", "feed = ?", [source.name]).sort("txn_id").tail(1)
        used = sorted(response.response_id for response in judged.used)
        same = len(last) > 0 and sorted(last["response_ids"][0]) == used
        return same and not judged.withdrawn
    return not judged.says_new and settle(store, judged, landed.at, 0).is_empty()


def write(
    store: Store, landed: Landed, judged: Judged, ledger: Ledger, txn_id: int
) -> IngestReport:
    """Write a verdict inside the running transaction, which the ledger numbered."""
    source = judged.source
    store.replace("ref.series", list_series(source, landed.asked))
    before = _read_last(store)[1] or read_state(store)
    used = ledger.frame({response.response_id: response for response in judged.used}.values())
    landed_before = store.query("SELECT response_id FROM ledger.response")
    store.append("ledger.response", used.join(landed_before, on="response_id", how="anti"))
    added, withdrawn, releases = 0, 0, RELEASE.empty()
    for rows, complete in judged.record():
        recorded = store.record(
            rows, seen_at=landed.at, txn_id=txn_id, complete=complete, table=source.table
        )
        added += recorded.added + recorded.withdrawn
        withdrawn += recorded.withdrawn + len(rows.filter(status="withdrawn"))
        releases = _keep_earliest([releases, list_releases(store, rows)])
    note_releases(store, releases)
    store.replace("quarantine.row", settle(store, judged, landed.at, txn_id))
    state = note_transaction(
        store,
        txn_id=txn_id,
        feed=source.name,
        seen_at=landed.at,
        before=before,
        counts={**judged.counts, "added": added},
        response_ids=used["response_id"].to_list(),
    )
    return _report(judged, txn_id, state, changed=True, added=added, withdrawn=withdrawn)


def _report(
    judged: Judged, txn_id: int, state: str, *, changed: bool, added: int = 0, withdrawn: int = 0
) -> IngestReport:
    counts = judged.counts
    return IngestReport(
        feed=judged.source.name,
        changed=changed,
        txn_id=txn_id,
        added=added,
        state=state,
        newest=judged.newest,
        withdrawn=withdrawn,
        refusals=describe_refusals(judged.rejected),
        parsed=counts["parsed"],
        accepted=counts["accepted"],
        quarantined=counts["quarantined"],
        duplicates=counts["duplicates"],
        ignored=counts["ignored"],
    )


def _read_last(store: Store) -> tuple[int, str]:
    """Number of the newest transaction, and the state after it."""
    last = store.table("ledger.txn").tail(1)
    return (last["txn_id"].item(), last["state_after"].item()) if len(last) else (0, "")


def _describe(landed: Landed, judged: Judged, report: IngestReport) -> Entry:
    """An ingestion as the ledger remembers it, so that it can be done again."""
    source = judged.source
    series = list_series(source, landed.asked)
    return Entry(
        txn_id=report.txn_id,
        feed=source.name,
        seen_at=landed.at,
        question=_describe_files(source, landed, series)
        if source.service is None
        else _describe_night(landed),
        contracts=dict(
            series.select("family", "contract_version").unique().sort("family").iter_rows()
        ),
        refused=list_refusals(judged).select(list(REFUSAL)).to_dicts(),
        state=report.state,
    )


def _describe_files(source: Source, landed: Landed, series: pl.DataFrame) -> dict[str, object]:
    spans = {member.id: member.span for member in source.series if member.span is not None}
    return {
        "kind": "files",
        "responses": [response.response_id for response in landed.responses],
        "known_until": (source.closed or landed.at).isoformat(),
        "series": series.to_dicts(),
        "spans": {name: list(map(str, span)) for name, span in spans.items()},
        "adds": source.adds,
    }


def _describe_night(landed: Landed) -> dict[str, object]:
    pulls = [
        {
            "name": part.pull.name,
            "url": part.pull.url,
            "series": list(part.pull.series),
            "first": part.pull.first.isoformat(),
            "last": part.pull.last and part.pull.last.isoformat(),
            "responses": [response.response_id for response in part.responses],
        }
        for part in landed.pulls
    ]
    return {"kind": "night", **JUDGED_AS, "pulls": pulls}


def list_series(source: Source, names: Collection[str]) -> pl.DataFrame:
    """Rows of ``ref.series`` for some series of a source."""
    wanted = set(names)
    rows = [
        {
            "series_id": series.id,
            "family": series.family,
            "name": series.name,
            "unit": series.unit,
            "frequency": series.frequency,
            "dimensions": json.dumps(dict(series.dimensions), sort_keys=True),
            "source": series.origin or f"{source.title}: {series.group}",
            "rights": series.rights or family(series.family).rights,
            "contract_version": family(series.family).version,
        }
        for series in source.series
        if series.id in wanted
    ]
    return pl.DataFrame(rows, schema=SERIES.dtypes).sort("series_id")


def note_releases(store: Store, releases: pl.DataFrame) -> None:
    """Note releases of periods that have none yet, inside the running transaction."""
    noted = store.query("SELECT family, period FROM ref.release")
    store.replace("ref.release", releases.join(noted, on=["family", "period"], how="anti"))


def list_releases(store: Store, rows: pl.DataFrame) -> pl.DataFrame:
    """The first release of each period that some rows tell of, as rows of ``ref.release``."""
    families = dict(store.query("SELECT series_id, family FROM ref.series").iter_rows())
    family_of = pl.col("series_id").replace_strict(families, return_dtype=pl.String)
    releases = rows.filter(pl.col("status") != "withdrawn").select(
        family_of.alias("family"), "period", released_at="available_at", basis="available_basis"
    )
    return _keep_earliest([releases])


def _keep_earliest(releases: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return (
        pl.concat(releases)
        .select(list(RELEASE.dtypes))
        .sort("released_at", "basis")
        .unique(["family", "period"], keep="first")
    )


def list_refusals(judged: Judged) -> pl.DataFrame:
    """Rejected rows as open rows of ``quarantine.row``, but for transaction and instant."""
    versions = {series.id: family(series.family).version for series in judged.source.series}
    today = pl.col("series_id").replace_strict(
        versions, default="unfollowed", return_dtype=pl.String
    )
    return judged.rejected.select(
        "response_id",
        "locator",
        "rule",
        pl.lit(judged.source.name).alias("feed"),
        "series_id",
        "period",
        "column_name",
        pl.col("offending").alias("value"),
        pl.col("row_json").alias("row"),
        pl.coalesce("contract_version", today).alias("contract_version"),
        pl.lit("open").alias("fate"),
    ).unique(list(QUARANTINE.key), keep="first", maintain_order=True)


def settle(store: Store, judged: Judged, seen_at: datetime, txn_id: int) -> pl.DataFrame:
    """Rows of ``quarantine.row`` that a delivery adds or settles.

    A row refused again night after night is one quarantined row. An open one whose series and
    period were answered anew, without it, is superseded, or accepted where a second sight let it
    in.
    """
    source, rejected = judged.source, list_refusals(judged)
    opened = store.table("quarantine.row", "feed = ? AND fate = 'open'", [source.name])
    answered = _find_answered(opened, judged)
    # Night after night a service sends the same row in other bytes; a file has it in its place.
    same = _SAME_ROW if source.service is not None else list(QUARANTINE.key)
    gone = answered.join(rejected, on=same, how="anti", nulls_equal=True)
    fresh = rejected.join(opened, on=same, how="anti", nulls_equal=True).with_columns(
        txn_id=pl.lit(txn_id, pl.Int64), seen_at=pl.lit(seen_at, pl.Datetime("us", "UTC"))
    )
    let_in = pl.col("series_id").is_in(list(judged.confirmed)) & pl.col("rule").is_in(
        list(filter(is_confirmable, gone["rule"].unique()))
    )
    fate = pl.when(let_in).then(pl.lit("accepted")).otherwise(pl.lit("superseded"))
    columns = list(QUARANTINE.dtypes)
    return pl.concat([gone.with_columns(fate=fate).select(columns), fresh.select(columns)])


def _find_answered(opened: pl.DataFrame, judged: Judged) -> pl.DataFrame:
    """Open rows whose series and period this delivery speaks of."""
    followed = [series.id for series in judged.source.series]
    period, stray = pl.col("period"), ~pl.col("series_id").is_in(followed)
    asked = [
        (pl.col("series_id").is_in(pull.series) | (stray & pl.lit(pull.last is None)))
        & ((period >= pull.first) & (period <= pull.last if pull.last else True)).fill_null(
            # A row without a readable date, or of no followed series, stands for no question; the
            # newest answer decides.
            value=pull.last is None
        )
        for pull in judged.covered
    ]
    return opened.filter(pl.any_horizontal(asked)) if asked else opened.clear()
