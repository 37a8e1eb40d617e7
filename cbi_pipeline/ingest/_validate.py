"""Validation: what of a night or a delivery of files is recorded, set aside or not believed.

Rows of files and of services are judged alike. What a service says is compared with what is stored,
and a series of it is used or not. A file is all there is of its periods, and nobody asks it again
tonight: so it is used whole or not at all, by rules about the delivery.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from itertools import groupby

import polars as pl

from cbi_pipeline.feeds import FeedError, Pull, Source
from cbi_pipeline.ingest._incidents import Fault
from cbi_pipeline.ingest._land import Landed
from cbi_pipeline.ingest._plausibility import Doubts, Examination, set_aside
from cbi_pipeline.ingest._screen import (
    NO_REFUSALS,
    Screened,
    screen_pull,
    sum_shares,
)
from cbi_pipeline.ingest._stage import LOCATION, MANY, LandedPull, Spool
from cbi_pipeline.ingest._stored import Stored
from cbi_pipeline.ledger import Ledger, Response
from data_contracts.table_rules import (
    RuleOutcome,
    quarantined_share,
    series_present,
    shape_outcomes,
)

_TEXTS = (
    "response_id", "locator", "rule", "series_id", "column_name", "offending", "row_json",
    "contract_version",
)  # fmt: skip
#: What is read of rejected rows, where there are none.
_NO_REJECTED = pl.DataFrame(schema=dict.fromkeys(_TEXTS, pl.String) | {"period": pl.Date})
_COUNTED = ("parsed", "accepted", "quarantined", "duplicates", "ignored")
#: Rows of a rule that are shown.
_SHOWN = 3


class TableRuleBroken(RuntimeError):
    """A rule about the whole delivery is broken; nothing of it was used."""


@dataclass
class Part:
    """One pull, or one file, as its series are judged one after the other.

    Attributes:
        source: where it is from.
        landed: what came.
        rows: rows to record, but for the series that are doubted: of a service what is new, of a
            file all that is good.
        duplicates: exact repeats.
        rejected: rejected rows, one line per broken rule.
        shares: rows and refused rows of each series.
        good: series_id, accepted, newest, first and last of each series: the number of its good
            rows, the newest period with a value, and the periods of all.
        doubts: what of it is not believed.
        findings: of a file, where its series break their shape.
    """

    source: Source
    landed: LandedPull
    rows: Spool
    duplicates: int = 0
    rejected: list[pl.DataFrame] = field(default_factory=list)
    shares: list[pl.DataFrame] = field(default_factory=list)
    good: list[pl.DataFrame] = field(default_factory=list)
    doubts: Doubts = field(default_factory=Doubts)
    findings: list[pl.DataFrame] = field(default_factory=list)

    def add(self, screened: Screened, rows: pl.DataFrame) -> None:
        """Add some rows, and what there is to record of them."""
        self.rows.put(rows.select(self.source.table.row_columns))
        self.duplicates += screened.duplicates
        self.rejected.append(screened.rejected)
        self.shares.append(screened.shares)
        valued = pl.col("period").filter(pl.col("status") == "value")
        self.good.append(
            screened.good.group_by("series_id").agg(
                accepted=pl.len(),
                newest=valued.max(),
                first=pl.col("period").min(),
                last=pl.col("period").max(),
            )
        )

    def conclude(self, examination: Examination) -> None:
        """Add what is not believed of the series whose rows were added last."""
        self.findings.append(examination.findings)
        doubts, withdrawals = examination.conclude()
        self.doubts.add(doubts)
        if self.source.service is not None:
            self.rows.put(withdrawals)
            if doubts.restated:
                news = self.rows.pick(doubts.restated)
                rejected = self.rejected[-1]
                self.rejected.append(set_aside(self.source, news, doubts.restated, rejected))

    @property
    def unused(self) -> list[str]:
        """Series nothing of which is recorded."""
        return list(self.doubts.series) if self.source.service is not None else []

    @cached_property
    def accepted(self) -> pl.DataFrame:
        """What of each series is accepted, as of ``good``."""
        used = pl.concat(self.good).filter(~pl.col("series_id").is_in(self.unused))
        return used.group_by("series_id").agg(
            pl.col("accepted").sum(), pl.col("newest", "last").max(), pl.col("first").min()
        )

    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows by what became of them, as a transaction counts them."""
        return {
            "parsed": int(pl.concat(self.shares)["rows"].sum()),
            "accepted": int(self.accepted["accepted"].sum()),
            "quarantined": pl.concat(self.rejected).select(LOCATION).n_unique(),
            "duplicates": self.duplicates,
            "ignored": self.landed.ignored,
        }

    @property
    def withdrawing(self) -> tuple[str, ...]:
        """Series of which a file has every period, and of which others are stored.

        What is stored beside a closed record is found when it is written.
        """
        if self.source.adds or self.source.service is not None:
            return ()
        # A row set aside is not a row withdrawn: such a series says nothing about absent periods.
        doubtful = {name for rows in self.rejected for name in rows["series_id"]}
        absent = {row["series_id"] for row in self.doubts.absent}
        return tuple(
            name
            for name in self.landed.complete
            if name not in doubtful and (name in absent or self.source.closed is not None)
        )

    @property
    def answered(self) -> Pull:
        """The series and periods it speaks of."""
        pull = self.landed.pull
        if not self.source.adds:
            return pull
        first, last = self.accepted["first"].min(), self.accepted["last"].max()
        first, last = first or pull.first, last or pull.first
        assert isinstance(first, date) and isinstance(last, date)
        return replace(pull, first=first, last=last)

    def record(self) -> Iterator[pl.DataFrame]:
        """The rows to record, as many at a time as are not too many."""
        believed = ~pl.col("series_id").is_in(self.unused)
        for blocks in self.rows.blocks.groups(self.rows.sizes()):
            for rows in self.rows.iterate(blocks):
                yield from rows.filter(believed).iter_slices(MANY)


@dataclass(frozen=True)
class Judged:
    """What a night or a delivery of files says, pull by pull and together.

    Attributes:
        source: where it is from.
        parts: pulls and files that can be used.
        unusable: what is wrong with the other pulls.
    """

    source: Source
    parts: tuple[Part, ...]
    unusable: tuple[Fault, ...] = ()

    @cached_property
    def rejected(self) -> pl.DataFrame:
        """Rejected rows, one line per broken rule, with their ``response_id``."""
        frames = [rows for part in self.parts for rows in part.rejected]
        return pl.concat(frames) if frames else _NO_REJECTED

    @property
    def covered(self) -> tuple[Pull, ...]:
        """Series and periods that were asked for and answered."""
        return tuple(part.answered for part in self.parts)

    @property
    def used(self) -> tuple[Response, ...]:
        """Answers that rows were read from."""
        return tuple(response for part in self.parts for response in part.landed.responses)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Pulls and series that are not believed."""
        if self.source.service is None:
            return self.unusable
        name = self.source.name
        errors = [(part.landed, error) for part in self.parts for error in part.doubts.errors(name)]
        return (*self.unusable, *(landed.fault(error) for landed, error in errors))

    @property
    def confirmed(self) -> frozenset[str]:
        """Series whose rows, set aside at first sight, may be let in."""
        return frozenset(name for part in self.parts for name in part.doubts.confirmed)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by what became of them, as a transaction counts them."""
        return {name: sum(part.counts[name] for part in self.parts) for name in _COUNTED}

    @property
    def newest(self) -> dict[str, date]:
        """Newest accepted period per series family."""
        families = {series.id: series.family for series in self.source.series}
        newest: dict[str, date] = {}
        for part in self.parts:
            for name, period in (
                part.accepted.select("series_id", "newest").drop_nulls().iter_rows()
            ):
                newest[families[name]] = max(period, newest.get(families[name], period))
        return dict(sorted(newest.items()))

    @property
    def withdrawn(self) -> tuple[str, ...]:
        """Series of which stored periods are not in the files that hold all there is."""
        absent = {row["series_id"] for part in self.parts for row in part.doubts.absent}
        return tuple(name for part in self.parts for name in part.withdrawing if name in absent)

    @property
    def says_new(self) -> bool:
        """Whether there is anything to record."""
        return any(len(rows) for part in self.parts for rows in part.record())

    def record(self) -> Iterator[tuple[pl.DataFrame, tuple[str, ...]]]:
        """The rows to record, with the series that have no other periods.

        Several files may be vintages of one cell, so that each has frames of its own. What services
        say comes in frames that are not many each and have every cell once.
        """
        if self.source.service is None:
            for part in self.parts:
                yield from _record_file(part)
            return
        waiting: list[pl.DataFrame] = []
        for part in self.parts:
            for rows in part.record():
                if sum(map(len, waiting)) + len(rows) > MANY:
                    yield self._join(waiting), ()
                    waiting = []
                waiting.append(rows)
        if waiting:
            yield self._join(waiting), ()

    def _join(self, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
        rows = pl.concat(frames)
        # A pull has each cell once; only several can say the same.
        if len(frames) == 1:
            return rows
        return rows.unique(self.source.table.cell, keep="last", maintain_order=True)

    @cached_property
    def outcomes(self) -> tuple[RuleOutcome, ...]:
        """What the rules about a delivery of files find; none about a service's."""
        if self.source.service is not None:
            return ()
        shares = sum_shares(frame for part in self.parts for frame in part.shares)
        accepted = pl.concat(part.accepted.select("series_id") for part in self.parts)
        findings = pl.concat(frame for part in self.parts for frame in part.findings)
        return (
            quarantined_share(shares),
            series_present(accepted, self._list_expected(shares["series_id"].to_list())),
            *shape_outcomes(findings.sort("rule", "series_id", "period")),
        )

    def _list_expected(self, present: Sequence[str]) -> list[str]:
        """Series that must have accepted rows: a closed record's all, else those files speak of."""
        names = {*present, *(name for part in self.parts for name in part.landed.complete)}
        followed = [series.id for series in self.source.series]
        return [name for name in followed if self.source.closed is not None or name in names]


def _record_file(part: Part) -> Iterator[tuple[pl.DataFrame, tuple[str, ...]]]:
    if part.withdrawing:
        yield part.rows.all(), part.withdrawing
        return
    for rows in part.record():
        yield rows, ()


def judge(
    feed: Source,
    landed: Landed,
    ledger: Ledger,
    stored: Stored | None = None,
    refused: pl.DataFrame = NO_REFUSALS,
    *,
    anew: bool = True,
) -> Judged:
    """Screen what was landed, and compare it with what is stored.

    Args:
        feed: feed that was asked, or whose files were opened.
        landed: what came.
        ledger: where its bytes lie.
        stored: what is stored of the feed's series; nothing where None.
        refused: rows that were set aside when this was first judged, and stay so.
        anew: False where the night was judged before: what was believed then is.
    """
    parts, faults = [], []
    before = stored or Stored(table=feed.table)
    for pull in landed.pulls:
        try:
            parts.append(_judge_pull(feed, pull, ledger, before, landed.at, refused, anew))
        except FeedError as error:
            faults.append(pull.fault(error))
    return Judged(feed, tuple(parts), tuple(faults))


def _judge_pull(
    feed: Source,
    landed: LandedPull,
    ledger: Ledger,
    stored: Stored,
    now: datetime,
    refused: pl.DataFrame,
    anew: bool,
) -> Part:
    part = Part(feed, landed, Spool(landed.rows.blocks, landed.rows.folder))
    batches = screen_pull(feed, landed, stored, now, refused)
    for series, stretches in groupby(batches, key=lambda screened: screened.series):
        examination = Examination(feed, landed, stored, now, anew=anew)
        for screened in stretches:
            cells = stored.cells(series, screened.stretch)
            rows = cells.news(screened.good) if feed.service is not None else screened.good
            examination.add(screened, cells, rows)
            part.add(screened, rows)
        part.conclude(examination)
    if feed.service is not None:
        part.doubts.require_present(feed.name, landed.pull.name)
    part.rejected = [landed.add_source_rows(pl.concat(part.rejected), feed, ledger)]
    return part


def require_usable(judged: Judged) -> None:
    """Stop when a rule about the delivery is broken.

    Raises:
        TableRuleBroken: names every broken rule with its finding, and the rows that were refused.
    """
    broken = [f"{rule.rule}: {rule.detail}" for rule in judged.outcomes if not rule.passed]
    if broken:
        refused = describe_refusals(judged.rejected)
        raise TableRuleBroken("; ".join([*broken, *refused]) + ". Nothing of it was used")


def describe_refusals(rejected: pl.DataFrame) -> tuple[str, ...]:
    """A line for each rule that was broken, the one that most rows broke first.

    Args:
        rejected: rejected rows, one line per broken rule, as of ``Screened``.
    """
    rules = rejected.group_by("rule", maintain_order=True).len().sort("len", descending=True)
    return tuple(_describe(rule, rejected.filter(pl.col("rule") == rule)) for rule in rules["rule"])


def _describe(rule: str, rows: pl.DataFrame) -> str:
    shown = ", ".join(
        f"{row['locator']} ({row['column_name']} {row['offending'] or 'empty'})"
        for row in rows.head(_SHOWN).iter_rows(named=True)
    )
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    number = "1 row breaks" if len(rows) == 1 else f"{len(rows)} rows break"
    return f"{number} the rule {rule}: {shown}{more}"
