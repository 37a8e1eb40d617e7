"""Series that one sight is not enough to believe: held until a second night, or a person, confirms.

A night that restates a series by the factor between two units, by a power of ten or nearly as a
whole sets aside all that is new in it. The next night that brings the same values confirms them:
they are entered as of then, and so is what later nights bring by the same rule.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from cbi_pipeline.feeds import UnexpectedShape
from cbi_pipeline.feeds.live import LiveFeed
from cbi_pipeline.ingest._faults import Fault
from cbi_pipeline.ingest._held import CELL, Cells
from cbi_pipeline.ingest._night import LandedPull
from data_contracts.families import family
from data_contracts.restatement import find_restatements, is_confirmable

#: A restatement reaches back through history in as many nights as a deep reading takes.
_CONFIRMED_FOR = timedelta(days=60)
#: Looks within this time are one night's.
_NIGHT = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is not to be believed at first sight.

    Attributes:
        held: series whose new rows are set aside: the rule and the finding, in words.
        confirmed: series whose sizes have changed for good, as more than one night said.
    """

    held: Mapping[str, tuple[str, str]]
    confirmed: frozenset[str]

    @property
    def resized(self) -> frozenset[str]:
        """Series whose sizes differ from those before, held or not."""
        return self.confirmed | self.held.keys()

    def less(self, odd: Collection[str]) -> Doubt:
        """The same without series that are not believed for another reason."""
        held = {name: why for name, why in self.held.items() if name not in odd}
        return Doubt(held, self.confirmed - set(odd))


def doubt(
    feed: LiveFeed, good: pl.DataFrame, held: Cells, earlier: pl.DataFrame, now: datetime
) -> Doubt:
    """What of some good rows one sight is not enough for.

    Args:
        feed: feed that was asked.
        good: rows that keep their contract.
        held: what is held of their series.
        earlier: rows that were set aside so before, as ``quarantine.row``.
        now: when the rows came.
    """
    if held.rows.is_empty():
        return Doubt({}, frozenset())
    lasting = _lasting(earlier, now)
    repeated = _repeated(held.news(good), earlier, now)
    confirmed = lasting | repeated
    families = {one.id: family(one.family) for one in feed.series}
    found = find_restatements(good, held.rows, families)
    return Doubt(
        held={
            name: (rule, detail)
            for name, rule, detail in found.iter_rows()
            if (name, rule) not in confirmed
        },
        confirmed=frozenset(name for name, _ in confirmed),
    )


def set_aside(rows: pl.DataFrame, doubts: Doubt, rejected: pl.DataFrame) -> pl.DataFrame:
    """New rows of held series as rejected rows.

    Args:
        rows: what good rows say that is new.
        doubts: which series are held, by which rule.
        rejected: rows that broke other rules, for its columns.
    """
    rules = {name: rule for name, (rule, _) in doubts.held.items()}
    return (
        rows.filter(pl.col("series_id").is_in(list(rules)))
        .with_columns(
            row=pl.lit(None, pl.UInt32),
            rule=pl.col("series_id").replace_strict(rules, return_dtype=pl.String),
            column_name=pl.lit("value"),
            offending=pl.col("value_text"),
            contract_version=pl.lit(None, pl.String),
        )
        .select(rejected.columns)
        .cast(rejected.schema)
    )


def held_before(rejected: pl.DataFrame) -> frozenset[str]:
    """Series held when a night that is done again was judged first."""
    rules = rejected.select("series_id", "rule").unique()
    return frozenset(name for name, rule in rules.iter_rows() if is_confirmable(rule))


def doubt_faults(
    feed: LiveFeed, landed: LandedPull, held: Mapping[str, tuple[str, str]]
) -> tuple[Fault, ...]:
    """The fault that held series make, if there are any."""
    if not held:
        return ()
    name, (rule, detail) = min(held.items())
    others = f", and {len(held) - 1} other series are held too" if len(held) > 1 else ""
    error = UnexpectedShape(
        feed.name,
        f"{name} is held for confirmation: {detail}{others}",
        "None of its new rows was used. A second night that says the same confirms them, or "
        f"`cbi quarantine retry --rule {rule}`",
    )
    return (landed.fault(error),)


def _lasting(earlier: pl.DataFrame, now: datetime) -> frozenset[tuple[str, str]]:
    recent = earlier.filter(fate="accepted").filter(pl.col("seen_at") > now - _CONFIRMED_FOR)
    return frozenset(recent.select("series_id", "rule").unique().iter_rows())


def _repeated(
    news: pl.DataFrame, earlier: pl.DataFrame, now: datetime
) -> frozenset[tuple[str, str]]:
    """Series and rules of which an earlier night's rows come again with the same values."""
    before = earlier.filter(pl.col("fate") == "open", pl.col("seen_at") <= now - _NIGHT)
    met = before.join(news.select(*CELL, "value_text"), on=CELL)
    same = pl.col("value").eq_missing(pl.col("value_text")).all()
    agreed = met.group_by("series_id", "rule").agg(same=same).filter("same")
    return frozenset(agreed.select("series_id", "rule").iter_rows())
