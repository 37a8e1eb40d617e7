"""Validation of files: rows that break a rule are set aside, a rule about the whole blocks all.

A file is all there is of its periods, and nobody asks it again tonight. So it is used whole or not
at all, and the rules that say which look at the delivery, not at one series of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType

import polars as pl

from cbi_pipeline.feeds import Pull, Source
from cbi_pipeline.ingest._judged import Judged, by_family, newest_periods
from cbi_pipeline.ingest._land import Landed
from cbi_pipeline.ingest._quarantine import describe_refusals
from cbi_pipeline.ingest._read import read_pull, sourced
from cbi_pipeline.ingest._screen import NO_REFUSALS
from cbi_pipeline.ingest._stage import LandedPull, Spool
from cbi_pipeline.ledger import Ledger
from data_contracts.families import family
from data_contracts.shape import findings
from data_contracts.table_rules import (
    RuleOutcome,
    quarantined_share,
    series_present,
    shape_outcomes,
)


class TableRuleBroken(RuntimeError):
    """A rule about the whole delivery is broken; nothing of it was used."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file, judged."""

    landed: LandedPull
    good: pl.DataFrame
    rejected: pl.DataFrame
    duplicates: int

    @property
    def series(self) -> pl.DataFrame:
        """Series of every row."""
        rows = self.landed.rows
        return rows.take(list(rows.blocks.members)).select("series_id")

    @property
    def refused(self) -> pl.DataFrame:
        """Series of every row that was set aside."""
        return self.rejected.unique("locator").select("series_id")

    def spooled(self, source: Source) -> Spool:
        """Its good rows, as they are recorded."""
        spool = Spool(self.landed.rows.blocks, self.landed.rows.folder)
        spool.put(self.good.select(source.table.row_columns))
        return spool

    def complete(self, source: Source) -> tuple[str, ...]:
        """Series it has every period of."""
        # A row set aside is not a row withdrawn: such a series says nothing about absent periods.
        doubtful = {*self.rejected["series_id"]}
        named = () if source.adds else self.landed.complete
        return tuple(name for name in named if name not in doubtful)

    def answered(self, source: Source) -> Pull:
        """The periods it speaks of."""
        return _between(self.landed.pull, self.good["period"]) if source.adds else self.landed.pull


def judge_files(
    source: Source,
    landed: Landed,
    ledger: Ledger,
    held: Mapping[str, int] = MappingProxyType({}),
    refused: pl.DataFrame = NO_REFUSALS,
) -> Judged:
    """Screen what lay in files.

    Args:
        source: whose files they are.
        landed: what lay in them.
        ledger: where their bytes lie.
        held: versions held of each series of which something was held before.
        refused: rows that were set aside when they were first judged, and stay so.
    """
    files = [_judged(source, one, ledger, held, landed.at, refused) for one in landed.pulls]
    return Judged(
        parts=tuple(one.spooled(source) for one in files),
        rejected=pl.concat(one.rejected for one in files),
        covered=tuple(one.answered(source) for one in files),
        used=tuple(response for one in files for response in one.landed.responses),
        faults=(),
        confirmed=frozenset(),
        counts={
            "parsed": sum(len(one.series) for one in files),
            "accepted": sum(len(one.good) for one in files),
            "quarantined": sum(len(one.refused) for one in files),
            "duplicates": sum(one.duplicates for one in files),
            "ignored": sum(one.landed.ignored for one in files),
        },
        newest=by_family([newest_periods(one.good, source) for one in files]),
        complete=tuple(one.complete(source) for one in files),
        outcomes=_outcomes(source, files),
        table=source.table,
    )


def require(judged: Judged) -> None:
    """Stop when a rule about the delivery is broken.

    Raises:
        TableRuleBroken: names every broken rule with its finding, and the rows that were refused.
    """
    broken = [f"{one.rule}: {one.detail}" for one in judged.outcomes if not one.passed]
    if broken:
        refused = describe_refusals(judged.rejected)
        raise TableRuleBroken("; ".join([*broken, *refused]) + ". Nothing of it was used")


def _judged(
    source: Source,
    landed: LandedPull,
    ledger: Ledger,
    held: Mapping[str, int],
    now: datetime,
    refused: pl.DataFrame,
) -> _File:
    parts = list(read_pull(source, landed, held, {}, now, refused))
    rejected = pl.concat(part.screened.rejected for part in parts)
    return _File(
        landed=landed,
        good=pl.concat(part.good for part in parts),
        rejected=sourced(rejected, source, landed, ledger),
        duplicates=sum(part.screened.duplicates for part in parts),
    )


def _outcomes(source: Source, files: Sequence[_File]) -> tuple[RuleOutcome, ...]:
    numbered = [(one, pl.lit(number).alias("part")) for number, one in enumerate(files)]
    good = pl.concat(source.table.sized(one.good).select(part, pl.all()) for one, part in numbered)
    refused = pl.concat(one.refused.select(part, "series_id") for one, part in numbered)
    shapes = {one.id: family(one.family).shape for one in source.series}
    return (
        quarantined_share(pl.concat(one.series for one in files), refused),
        series_present(good, _expected(source, files)),
        *shape_outcomes(findings(good, refused, shapes)),
    )


def _expected(source: Source, files: Sequence[_File]) -> list[str]:
    """Series that must have accepted rows: a closed record's all, else those the files speak of."""
    named = {name for one in files for name in one.landed.complete}
    named |= {name for one in files for name in one.series["series_id"]}
    followed = [one.id for one in source.series]
    return followed if source.closed is not None else [name for name in followed if name in named]


def _between(pull: Pull, periods: pl.Series) -> Pull:
    first, last = periods.min() or pull.first, periods.max() or pull.first
    assert isinstance(first, date) and isinstance(last, date)
    return replace(pull, first=first, last=last)
