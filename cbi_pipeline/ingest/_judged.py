"""The verdict on what was landed: which rows are recorded, which are set aside, what is doubted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from cbi_pipeline.feeds import Pull, Source
from cbi_pipeline.ingest._incidents import Fault
from cbi_pipeline.ingest._screen import Screened
from cbi_pipeline.ingest._stage import MANY, LandedPull, Spool
from cbi_pipeline.ledger import Response
from data_contracts.table_rules import RuleOutcome
from data_contracts.versioned import OBSERVATIONS, VersionedTable

#: What is counted of a delivery.
COUNTS = ("parsed", "accepted", "quarantined", "duplicates", "ignored")
_TEXTS = (
    "response_id", "locator", "rule", "series_id", "column_name", "offending", "row_json",
    "contract_version",
)  # fmt: skip
#: What is read of rejected rows, where there are none.
NO_REJECTED = pl.DataFrame(schema=dict.fromkeys(_TEXTS, pl.String) | {"period": pl.Date})


@dataclass
class Part:
    """One pull, or one file, as its series are judged one after the other.

    Attributes:
        landed: what came.
        rows: rows to record, as of ``Judged.parts``.
        counts: parsed and accepted rows, and exact repeats.
        rejected: rejected rows, one line per broken rule.
        newest: family and period of the newest values.
        faults: what of it is not believed.
        confirmed: series whose rows, set aside at first sight, may be let in.
        complete: of a file, the series it has every period of.
        answered: the series and periods it speaks of.
    """

    landed: LandedPull
    rows: Spool
    answered: Pull
    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[pl.DataFrame] = field(default_factory=list)
    newest: list[pl.DataFrame] = field(default_factory=list)
    faults: tuple[Fault, ...] = ()
    confirmed: frozenset[str] = frozenset()
    complete: tuple[str, ...] = ()

    @classmethod
    def of(cls, landed: LandedPull) -> Part:
        """A part of which nothing is judged yet."""
        return cls(landed, Spool(landed.rows.blocks, landed.rows.folder), landed.pull)

    def add(
        self,
        source: Source,
        some: Screened,
        good: pl.DataFrame,
        news: pl.DataFrame,
        aside: pl.DataFrame,
    ) -> None:
        """Add some series.

        Args:
            source: where it is from.
            some: their rows, screened.
            good: rows of them that are believed.
            news: rows to record.
            aside: rows that are set aside although they broke no rule of their own.
        """
        self.rows.put(news)
        self.counts += Counter(parsed=some.parsed, accepted=len(good), duplicates=some.duplicates)
        self.rejected += [some.rejected, aside]
        self.newest.append(newest_periods(good, source))

    def recorded(self) -> pl.DataFrame:
        """All rows to record."""
        return self.rows.all()

    def count(self, name: str) -> int:
        """One of ``COUNTS``."""
        if name == "ignored":
            return self.landed.ignored
        if name == "quarantined":
            return pl.concat(self.rejected).select("response_id", "locator").n_unique()
        return self.counts[name]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a night or a delivery of files says, pull by pull and together.

    Attributes:
        parts: rows to record of each pull, one per cell: of a service, changed or new values and
            withdrawals; of a file, all of its rows.
        rejected: rejected rows, one line per broken rule, with their ``response_id``.
        covered: series and periods that were asked for and answered.
        used: answers that rows were read from.
        faults: pulls and series that are not believed.
        confirmed: series whose rows, set aside at first sight, may be let in.
        counts: parsed, accepted, quarantined, duplicates and ignored rows.
        newest: newest accepted period per series family.
        complete: of each file, the series it has every period of, so that others are withdrawn.
        outcomes: what the rules about a delivery of files found.
        table: table that the rows are of.
    """

    parts: tuple[Spool, ...]
    rejected: pl.DataFrame
    covered: tuple[Pull, ...]
    used: tuple[Response, ...]
    faults: tuple[Fault, ...]
    confirmed: frozenset[str]
    counts: Mapping[str, int]
    newest: Mapping[str, date]
    complete: tuple[tuple[str, ...], ...] = ()
    outcomes: tuple[RuleOutcome, ...] = ()
    table: VersionedTable = OBSERVATIONS

    @classmethod
    def of(
        cls,
        source: Source,
        parts: Sequence[Part],
        faults: Sequence[Fault],
        outcomes: Sequence[RuleOutcome],
    ) -> Judged:
        """The verdict on all parts together; faults are of pulls that make no part."""
        return cls(
            parts=tuple(part.rows for part in parts),
            rejected=pl.concat(rows for part in parts for rows in part.rejected)
            if parts
            else NO_REJECTED,
            covered=tuple(part.answered for part in parts),
            used=tuple(response for part in parts for response in part.landed.responses),
            faults=(*faults, *(fault for part in parts for fault in part.faults)),
            confirmed=frozenset(name for part in parts for name in part.confirmed),
            counts={name: sum(part.count(name) for part in parts) for name in COUNTS},
            newest=by_family([rows for part in parts for rows in part.newest]),
            complete=tuple(part.complete for part in parts) if source.service is None else (),
            outcomes=tuple(outcomes),
            table=source.table,
        )

    @property
    def says_new(self) -> bool:
        """Whether there is anything to record."""
        return any(part.sizes().total() for part in self.parts)

    def rows(self) -> Iterator[tuple[pl.DataFrame, tuple[str, ...]]]:
        """The rows to record, with the series of which they are all there is.

        A file is a frame of its own: several may be vintages of one cell. What services say comes
        in frames that are not many each and have every cell once.
        """
        if self.complete:
            for part, complete in zip(self.parts, self.complete, strict=True):
                yield part.all(), complete
            return
        waiting: list[pl.DataFrame] = []
        for part in self.parts:
            for blocks in part.blocks.groups(part.sizes()):
                for rows in part.take(blocks).iter_slices(MANY):
                    if sum(map(len, waiting)) + len(rows) > MANY:
                        yield self._together(waiting), ()
                        waiting = []
                    waiting.append(rows)
        if waiting:
            yield self._together(waiting), ()

    def _together(self, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
        rows = pl.concat(frames)
        # A pull has each cell once; only several can say the same.
        if len(frames) == 1:
            return rows
        return rows.unique(self.table.cell, keep="last", maintain_order=True)


def newest_periods(good: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Family and period of the newest value of each series among some good rows."""
    families = {one.id: one.family for one in source.series}
    valued = good.filter(status="value").group_by("series_id").agg(pl.col("period").max())
    family = pl.col("series_id").replace_strict(families, return_dtype=pl.String)
    return valued.select(family.alias("family"), "period")


def by_family(newest: Sequence[pl.DataFrame]) -> dict[str, date]:
    """The newest period of each family."""
    parts = [pl.DataFrame(schema={"family": pl.String, "period": pl.Date}), *newest]
    return dict(
        pl.concat(parts).group_by("family").agg(pl.col("period").max()).sort("family").iter_rows()
    )
