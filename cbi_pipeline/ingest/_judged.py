"""The verdict on what was landed: which rows are recorded, which are set aside, what is doubted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from cbi_pipeline.feeds import Pull, Source
from cbi_pipeline.ingest._incidents import Fault
from cbi_pipeline.ingest._stage import MANY, Spool
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
                yield part.take(list(part.blocks.members)), complete
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
