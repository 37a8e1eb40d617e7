"""The live feeds: each asked on its own, its answers in the ledger, its rows in the warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from cbi_pipeline.catalogue import FeedEntry
from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.checks import BY_FAULT_LOG, not_asked
from cbi_pipeline.defs.executor import IN_PROCESS
from cbi_pipeline.defs.ingest.assets import (
    Event,
    describe_commit,
    describe_quarantine,
    report_unasked,
)
from cbi_pipeline.defs.jobs import schedule_status
from cbi_pipeline.ingest import (
    FamilyAge,
    Fault,
    Landed,
    deliver_live,
    fault_log,
    land_live,
    live_feed,
    note_asked,
    note_staleness,
    why_not_asked,
)
from cbi_pipeline.operations.count_raw_rows import count_raw_rows
from cbi_pipeline.operations.describe_readers import describe_readers
from cbi_pipeline.operations.feed_entries import feed_entries, filled_tables
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings, SettingsError, load_settings
from cbi_pipeline.warehouse import NothingPublished


def live_records(name: str, says: str, fills: str) -> dg.AssetsDefinition:
    """The assets ``landing/<name>`` and ``raw/<name>`` of a live feed.

    Args:
        name: the feed.
        says: what it brings, for people.
        fills: the table that its rows go to.
    """
    landing, raw = dg.AssetKey(["landing", name]), dg.AssetKey(["raw", name])

    @dg.multi_asset(
        name=name,
        specs=[
            dg.AssetSpec(
                landing,
                group_name="ingest",
                kinds={"http", "file"},
                description=f"{says}: every answer of the service, its key masked, stored by "
                "hash before anything reads it. A service that fails is told, not raised.",
            ),
            dg.AssetSpec(
                raw,
                deps=[landing],
                group_name="ingest",
                kinds={"duckdb"},
                description=f"{says}: what whole and believable answers say that is new, each "
                "version with the instant the public could know it, withdrawals included.",
                metadata=metadata.definition(fills),
            ),
        ],
        check_specs=_checks(raw),
        pool="warehouse",
    )
    def records(pipeline: dg.ResourceParam[Pipeline]) -> Iterator[Event]:
        """Ask what is due, land it, judge it, and commit what is new in one transaction."""
        idle = why_not_asked(pipeline.settings, name)
        if idle is not None:
            note_asked(pipeline.settings, name)
            yield from report_unasked(landing, raw, _checks(raw), idle)
            return
        landed = _land_feed(pipeline.settings, name)
        yield describe_landing(landing, landed, readers(pipeline.settings, name))
        report = deliver_live(pipeline.settings, landed)
        yield from report_landing(raw, name, pipeline, landed.requests)
        yield describe_commit(raw, report, count_raw_rows(pipeline, name))

    return records


def _land_feed(settings: Settings, name: str) -> Landed:
    try:
        return land_live(settings, name)
    except SettingsError as error:
        # Asking again would come to the same.
        raise dg.Failure(str(error), allow_retries=False) from error


def _checks(raw: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    # None of them blocks: what is held stays good, and a commodity that gets too old abstains.
    return [
        dg.AssetCheckSpec(
            "answered",
            asset=raw,
            metadata=BY_FAULT_LOG,
            description="The service answered everything it was asked, whole and believable; "
            "what it did not is named with what to do, and none of it was used.",
        ),
        dg.AssetCheckSpec(
            "row_rules",
            asset=raw,
            description="No row of this feed lies open in quarantine, by series and reason.",
        ),
        dg.AssetCheckSpec(
            "fresh",
            asset=raw,
            metadata=BY_FAULT_LOG,
            description="The newest value of every series family is no older than its contract "
            "allows; dependants of an older one abstain.",
        ),
    ]


def readers(settings: Settings, name: str) -> pl.DataFrame:
    """The series that a feed is asked for, and what reads each."""
    words = describe_readers(settings, live_feed(settings, name))
    schema = {"series": pl.String, "read by": pl.String}
    return pl.DataFrame([entry for entry in words.items() if entry[1]], schema=schema, orient="row")


def describe_landing(
    landing: dg.AssetKey, landed: Landed, read_by: pl.DataFrame
) -> dg.MaterializeResult[None]:
    """What was asked, why, and what came."""
    pulls = pl.DataFrame(
        {
            "pull": [pull.pull.name for pull in landed.pulls],
            "since": [pull.pull.first for pull in landed.pulls],
            "answers": [len(pull.responses) for pull in landed.pulls],
        },
        schema={"pull": pl.String, "since": pl.Date, "answers": pl.Int64},
    )
    return dg.MaterializeResult(
        asset_key=landing,
        metadata={
            "asked": landed.requests,
            "series": metadata.table(read_by),
            "whole pulls": metadata.table(pulls),
            "bytes": sum(response.bytes for response in landed.responses),
            "faults": len(landed.faults),
            "notices": "; ".join(landed.notices) or "none",
        },
    )


def report_landing(
    raw: dg.AssetKey, name: str, pipeline: Pipeline, requests: int
) -> Iterator[dg.AssetCheckResult]:
    """What is wrong with the feed now: its open faults, its quarantine, its age."""
    yield check_answers(raw, fault_log(pipeline.settings).open(name), requests)
    reasons = count_quarantined(name, pipeline)
    yield dg.AssetCheckResult(
        check_name="row_rules",
        asset_key=raw,
        passed=reasons.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=describe_quarantine(reasons) or "no row is set aside",
        metadata={"set aside": metadata.table(reasons)},
    )
    yield check_ages(raw, note_staleness(pipeline.settings, name))


def check_answers(raw: dg.AssetKey, faults: Sequence[Fault], requests: int) -> dg.AssetCheckResult:
    """Whether everything that was asked was answered whole; nothing is claimed of no question."""
    if not faults and not requests:
        return not_asked("answered", raw, "nothing of it is due")
    return dg.AssetCheckResult(
        check_name="answered",
        asset_key=raw,
        passed=not faults,
        severity=dg.AssetCheckSeverity.ERROR,
        description=" ".join(map(str, faults)) or "everything asked was answered whole",
    )


def count_quarantined(name: str, pipeline: Pipeline) -> pl.DataFrame:
    """Open quarantined rows of a feed, by series and rule."""
    try:
        with pipeline.warehouse.read() as store:
            rows = store.table("quarantine.row", "feed = ? AND fate = 'open'", [name])
    except NothingPublished:
        return pl.DataFrame(schema={"series_id": pl.String, "rule": pl.String, "rows": pl.Int64})
    return rows.group_by("series_id", "rule").len("rows").sort("series_id", "rule")


def check_ages(raw: dg.AssetKey, ages: tuple[FamilyAge, ...]) -> dg.AssetCheckResult:
    """How old the newest value of each family is, against what its contract allows."""
    listing = pl.DataFrame(
        [
            {"family": age.family, "newest": age.newest, "days": age.days, "limit": age.limit}
            for age in ages
        ]
    )
    late = [age.family for age in ages if age.stale]
    return dg.AssetCheckResult(
        check_name="fresh",
        asset_key=raw,
        passed=not late,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"stale: {', '.join(late)}" if late else "every family is recent",
        metadata={"ages": metadata.table(listing)},
    )


def live_job(entry: FeedEntry) -> dg.UnresolvedAssetJobDefinition:
    """The job ``ingest_<name>`` of a live feed."""
    return dg.define_asset_job(
        f"ingest_{entry.name}",
        selection=dg.AssetSelection.keys(["landing", entry.name], ["raw", entry.name]),
        executor_def=IN_PROCESS,
        description=f"{entry.brings}: what is new since the last time, what was revised, and one "
        "thirtieth of history again.",
    )


def live_schedule(entry: FeedEntry, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """The hours of a live feed's job."""
    return dg.ScheduleDefinition(
        name=f"ingest_{entry.name}_schedule",
        job=job,
        cron_schedule=list(entry.cron),
        execution_timezone=entry.zone,
        default_status=schedule_status(),
        description=entry.hours,
    )


@dg.definitions
def live() -> dg.Definitions:
    """Assets, job and schedule of every feed of the catalogue."""
    entries = feed_entries(load_settings())
    fills = filled_tables(load_settings())
    jobs = [live_job(entry) for entry in entries]
    return dg.Definitions(
        assets=[live_records(entry.name, entry.brings, fills[entry.name]) for entry in entries],
        jobs=jobs,
        schedules=[live_schedule(entry, job) for entry, job in zip(entries, jobs, strict=True)],
    )
