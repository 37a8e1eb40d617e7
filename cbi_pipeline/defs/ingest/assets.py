"""The embedded archive: its bytes in the ledger, its rows in the warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.checks import not_asked
from cbi_pipeline.feeds import archive
from cbi_pipeline.ingest import (
    IngestReport,
    Judged,
    commit,
    judge,
    land_files,
    live_feeds,
    require_clock,
    require_usable,
)
from cbi_pipeline.ledger import Response
from cbi_pipeline.operations.count_raw_rows import count_raw_rows
from cbi_pipeline.operations.pipeline import Pipeline
from data_contracts.table_rules import DELIVERY_RULES

LANDING = dg.AssetKey(["landing", "archive"])
RAW = dg.AssetKey(["raw", "archive"])
ROW_RULES = dg.AssetCheckSpec(
    "row_rules",
    asset=RAW,
    description="Rows that break a rule of their contract are set aside in quarantine, by reason.",
)
TABLE_RULES = [
    dg.AssetCheckSpec(name, asset=RAW, blocking=True, description=words)
    for name, words in DELIVERY_RULES.items()
]

Event = dg.MaterializeResult[None] | dg.AssetCheckResult


@dg.multi_asset(
    name="archive",
    specs=[
        dg.AssetSpec(
            LANDING,
            group_name="ingest",
            kinds={"file"},
            description="The embedded official records, checked against their recorded checksums "
            "and stored by hash before anything reads them.",
        ),
        dg.AssetSpec(
            RAW,
            deps=[LANDING],
            group_name="ingest",
            kinds={"duckdb"},
            description="Observations parsed from the archive, each version with the instant the "
            "public could know it; rows that break a rule are in quarantine.",
            metadata=metadata.definition("raw.observation"),
        ),
    ],
    check_specs=[ROW_RULES, *TABLE_RULES],
    pool="warehouse",
)
def archive_records(pipeline: dg.ResourceParam[Pipeline]) -> Iterator[Event]:
    """Land the archive, screen its rows, and commit what is new in one transaction."""
    if pipeline.settings.has_services:
        # Its records end years ago: what came since would look withdrawn.
        why = f"CBI_PROFILE={pipeline.settings.profile} asks the services"
        yield from report_unasked(LANDING, RAW, [ROW_RULES, *TABLE_RULES], why)
        return
    _refuse_a_live_home(pipeline)
    yield from ingest_archive(pipeline)


def ingest_archive(pipeline: Pipeline) -> Iterator[Event]:
    """What each step of the ingestion came to, told as soon as it is done."""
    pipeline.warehouse.check()
    folder = pipeline.settings.archive_dir
    source, seen_at = archive.source(folder), pipeline.now()
    require_clock(pipeline.ledger, source.name, seen_at)
    files = land_files(source, pipeline.ledger, seen_at)
    yield describe_landing(files.responses, archive.read_record(folder).modified)
    verdict = judge(source, files, pipeline.ledger)
    yield from report_verdict(verdict)
    require_usable(verdict)
    report = commit(files, verdict, pipeline.ledger, pipeline.warehouse)
    yield describe_commit(RAW, report, count_raw_rows(pipeline, source.name))


def _refuse_a_live_home(pipeline: Pipeline) -> None:
    names = live_feeds(pipeline.settings)
    if any(response.feed in names for response in pipeline.ledger.responses()):
        raise dg.Failure(
            f"{pipeline.settings.home} holds answers of live services, which the archive's closed "
            "records would appear to withdraw; set CBI_HOME to another folder, or "
            "CBI_PROFILE=live",
            allow_retries=False,
        )


def report_unasked(
    landing: dg.AssetKey, raw: dg.AssetKey, checks: Sequence[dg.AssetCheckSpec], why: str
) -> Iterator[Event]:
    """A feed that this profile does not ask, or cannot yet: no error, but said."""
    yield dg.MaterializeResult(asset_key=landing, metadata={"asked": f"no: {why}"})
    for check in checks:
        yield not_asked(check.name, raw, why)
    yield dg.MaterializeResult(asset_key=raw, metadata={"asked": f"no: {why}"})


def describe_landing(
    responses: tuple[Response, ...], modified: tuple[str, ...]
) -> dg.MaterializeResult[None]:
    """Which bytes arrived."""
    listing = pl.DataFrame(
        [{"address": r.url, "bytes": r.bytes, "sha256": r.sha256[:16]} for r in responses]
    )
    return dg.MaterializeResult(
        asset_key=LANDING,
        metadata={
            "files": metadata.table(listing),
            "bytes": int(listing["bytes"].sum()),
            "modified since shipping": ", ".join(modified) or "no",
        },
    )


def report_verdict(verdict: Judged) -> Iterator[dg.AssetCheckResult]:
    """What the row rules and the table rules found, before anything is written."""
    rejected = verdict.rejected
    reasons = rejected.group_by("series_id", "rule").len("rows").sort("series_id", "rule")
    yield dg.AssetCheckResult(
        check_name=ROW_RULES.name,
        asset_key=RAW,
        passed=rejected.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=describe_quarantine(reasons) or "every row kept them",
        metadata={"set aside": metadata.table(reasons)},
    )
    for outcome in verdict.outcomes:
        yield dg.AssetCheckResult(
            check_name=outcome.rule,
            asset_key=RAW,
            passed=outcome.passed,
            description=outcome.detail,
        )


def describe_quarantine(reasons: pl.DataFrame) -> str:
    """Rows in quarantine, in words; empty when there are none.

    Args:
        reasons: columns series_id, rule, rows.
    """
    counts = (f"{rows} rows of {series} by {rule}" for series, rule, rows in reasons.iter_rows())
    words = ", ".join(counts)
    return f"set aside: {words}. See `cbi quarantine list`" if words else ""


def describe_commit(
    raw: dg.AssetKey, report: IngestReport, rows: int
) -> dg.MaterializeResult[None]:
    """What became of the rows, and how many the feed has brought by now."""
    newest = pl.DataFrame(
        {"family": list(report.newest), "newest": list(report.newest.values())},
        schema={"family": pl.String, "newest": pl.Date},
    )
    return dg.MaterializeResult(
        asset_key=raw,
        metadata={
            **metadata.rows(rows),
            "written": report.changed,
            "transaction": report.txn_id,
            "rows in": report.parsed,
            "accepted": report.accepted,
            "new versions": report.added,
            "quarantined": report.quarantined,
            "duplicates": report.duplicates,
            "ignored": report.ignored,
            "newest observation": metadata.table(newest),
            "state": report.state,
            "notices": "; ".join(report.notices) or "none",
        },
    )
