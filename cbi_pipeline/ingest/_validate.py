"""Validation: what is new, what is gone, what is set aside, what is doubted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from cbi_pipeline.feeds import FeedError, IncompleteResponse, Pull, Source, UnexpectedShape
from cbi_pipeline.ingest._doubt import (
    doubt,
    doubt_faults,
    gone_cells,
    held_before,
    misshapen,
    set_aside,
    shape_faults,
)
from cbi_pipeline.ingest._files import judge_files
from cbi_pipeline.ingest._incidents import Fault
from cbi_pipeline.ingest._judged import (
    COUNTS,
    NO_REJECTED,
    Judged,
    by_family,
    newest_periods,
)
from cbi_pipeline.ingest._land import Landed
from cbi_pipeline.ingest._read import ReadSeries, read_pull, sourced
from cbi_pipeline.ingest._screen import NO_REFUSALS
from cbi_pipeline.ingest._stage import Held, LandedPull, Spool
from cbi_pipeline.ledger import Ledger, Response
from data_contracts.versioned import VersionedTable


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What there is to say of some series of a pull, beside the rows to record.

    Attributes:
        counts: parsed and accepted rows, and exact repeats.
        rejected: rejected rows, one line per broken rule.
        doubted: series of which too many rows are refused: refused and all rows.
        odd: series that no longer look like themselves, and how.
        unsure: series held until they are seen again: the rule and the finding.
        confirmed: series of which more than one night said that their sizes have changed.
        lost: series, periods gone and periods held, where too many are gone to believe it.
        newest: newest accepted period per series family.
    """

    counts: Mapping[str, int]
    rejected: pl.DataFrame
    doubted: Mapping[str, tuple[int, int]]
    odd: Mapping[str, str]
    unsure: Mapping[str, tuple[str, str]]
    confirmed: frozenset[str]
    lost: pl.DataFrame
    newest: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Part:
    """A pull, judged."""

    landed: LandedPull
    rows: Spool
    rejected: pl.DataFrame
    faults: tuple[Fault, ...]
    confirmed: frozenset[str]
    counts: Mapping[str, int]
    newest: pl.DataFrame


def judge(
    feed: Source,
    landed: Landed,
    ledger: Ledger,
    held: Held,
    refused: pl.DataFrame = NO_REFUSALS,
    *,
    anew: bool = True,
) -> Judged:
    """Screen what was landed, and compare what a service says with what is held.

    Args:
        feed: feed that was asked.
        landed: what came.
        ledger: where its bytes lie.
        held: what is held of the feed's series.
        refused: rows that were set aside when this night was first judged, and stay so.
        anew: False where the night was judged before: what was believed then is.
    """
    if feed.service is None:
        return judge_files(feed, landed, ledger, held.sizes, refused)
    parts, faults = [], []
    for pull in landed.pulls:
        try:
            parts.append(_part(feed, pull, ledger, held, landed.at, refused, anew))
        except FeedError as error:
            faults.append(pull.fault(error))
    return Judged(
        parts=tuple(part.rows for part in parts),
        rejected=pl.concat(part.rejected for part in parts) if parts else NO_REJECTED,
        covered=tuple(part.landed.pull for part in parts),
        used=tuple(response for part in parts for response in part.landed.responses),
        faults=(*faults, *(fault for part in parts for fault in part.faults)),
        confirmed=frozenset(name for part in parts for name in part.confirmed),
        counts={name: sum(part.counts[name] for part in parts) for name in COUNTS},
        newest=by_family([part.newest for part in parts]),
        table=feed.table,
    )


def _part(
    feed: Source,
    landed: LandedPull,
    ledger: Ledger,
    held: Held,
    now: datetime,
    refused: pl.DataFrame,
    anew: bool,
) -> _Part:
    rows = Spool(landed.rows.blocks, landed.rows.folder)
    found = [
        _verdict(feed, landed, read, held, now, rows, anew=anew)
        for read in read_pull(feed, landed, held.sizes, held.newest, now, refused)
    ]
    _require_believable(feed, landed.pull, pl.concat(one.lost for one in found))
    rejected = sourced(pl.concat(one.rejected for one in found), feed, landed, ledger)
    doubted = {name: counts for one in found for name, counts in one.doubted.items()}
    odd = {name: words for one in found for name, words in one.odd.items()}
    unsure = {name: why for one in found for name, why in one.unsure.items()}
    counts = {name: sum(one.counts[name] for one in found) for name in found[0].counts}
    return _Part(
        landed=landed,
        rows=rows,
        rejected=rejected,
        faults=(
            *_series_faults(feed, landed, doubted),
            *shape_faults(feed, landed, odd),
            *doubt_faults(feed, landed, unsure),
        ),
        confirmed=frozenset(name for one in found for name in one.confirmed),
        counts={
            **counts,
            "quarantined": rejected.select("response_id", "locator").n_unique(),
            "ignored": landed.ignored,
        },
        newest=pl.concat(one.newest for one in found),
    )


def _verdict(
    feed: Source,
    landed: LandedPull,
    read: ReadSeries,
    held: Held,
    now: datetime,
    rows: Spool,
    *,
    anew: bool,
) -> _Verdict:
    """Judge some series of a pull, and put the rows to record into ``rows``."""
    rejected, cells = read.screened.rejected, held.cells(read.series)
    doubts = doubt(feed, read.good, cells, held.doubts, now)
    if not anew:
        doubts = replace(doubts, held={})
    sized = set(read.series) - doubts.resized if landed.sized else ()
    odd = misshapen(feed, landed.pull, read.good, rejected, cells, sized)
    doubts = doubts.less(odd)
    expected = cells.within(landed.pull)
    gone, lost = _gone(feed.table, expected, read.good, rejected)
    unbelieved = {*odd, *doubts.held, *held_before(rejected)}
    believed = ~pl.col("series_id").is_in(list(unbelieved))
    aside = set_aside(feed.table, cells.news(read.good), doubts, rejected)
    good = read.good.filter(believed).select(feed.table.row_columns)
    rows.put(cells.news(good))
    rows.put(_withdrawals(feed.table, gone.filter(believed), landed.responses[-1], now))
    return _Verdict(
        counts={
            "parsed": read.parsed,
            "accepted": len(good),
            "duplicates": read.screened.duplicates,
        },
        rejected=pl.concat([rejected, aside]),
        doubted=read.doubted,
        odd=odd,
        unsure=doubts.held,
        confirmed=doubts.confirmed,
        lost=lost,
        newest=newest_periods(good, feed),
    )


def _series_faults(
    feed: Source, landed: LandedPull, refused: Mapping[str, tuple[int, int]]
) -> tuple[Fault, ...]:
    if not refused:
        return ()
    name, (few, rows) = max(refused.items(), key=lambda one: one[1][0])
    others = f" and of {len(refused) - 1} other series" if len(refused) > 1 else ""
    error = UnexpectedShape(
        feed.name,
        f"{few} of {rows} rows of {name}{others} break their contract",
        "None of them was used; `cbi quarantine list` shows the reasons",
    )
    return (landed.fault(error),)


def _gone(
    table: VersionedTable, expected: pl.DataFrame, good: pl.DataFrame, rejected: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Expected cells that are not there, and of which series too many are gone to believe it."""
    # A row set aside is not a row withdrawn: such a series says nothing about absent periods.
    silent = ~pl.col("series_id").is_in(rejected["series_id"].unique().implode())
    return gone_cells(table, expected.filter(silent), good)


def _require_believable(feed: Source, pull: Pull, lost: pl.DataFrame) -> None:
    if lost.is_empty():
        return
    name, gone, rows = lost.sort("gone", "series_id", descending=True).row(0)
    raise IncompleteResponse(
        feed.name,
        f"{pull.name}: {gone} of {rows} periods we hold of {name} are not in the answer",
        "Nothing of this pull was used, because so many are hardly withdrawn at once; "
        "look at the service's own page",
    )


def _withdrawals(
    table: VersionedTable, gone: pl.DataFrame, response: Response, now: datetime
) -> pl.DataFrame:
    return gone.with_columns(
        *table.empty_content(),
        available_at=pl.lit(now).dt.cast_time_unit("us"),
        available_basis=pl.lit("first_seen"),
        status=pl.lit("withdrawn"),
        response_id=pl.lit(response.response_id),
        locator=pl.lit("absent"),
    ).select(table.row_columns)
