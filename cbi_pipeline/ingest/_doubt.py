"""What of an answer is not believed: restated, misshapen or vanished series, and how that is told.

A night that restates a series by the factor between two units, by a power of ten or nearly as a
whole sets aside all that is new in it. The next night that brings the same values confirms them:
they are entered as of then, and so is what later nights bring by the same rule. A series that with
what is held of it no longer looks like itself is not used. Periods that we hold and an answer lacks
are withdrawn by their publisher, or were lost on the way to us: so they are asked for alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl

from cbi_pipeline.feeds import IncompleteResponse, Pull, Source, UnexpectedShape
from cbi_pipeline.ingest._incidents import Fault
from cbi_pipeline.ingest._stage import Cells, Held, LandedPull, Spool
from data_contracts.families import family
from data_contracts.restatement import find_restatements, is_confirmable
from data_contracts.shape import Shape, findings
from data_contracts.versioned import VersionedTable

#: A restatement reaches back through history in as many nights as a deep reading takes.
_CONFIRMED_FOR = timedelta(days=60)
_DAY = ["series_id", "period"]
#: Looks within this time are one night's.
_NIGHT = timedelta(hours=12)
#: Of the periods a pull asks for again, the most that may be gone at once before the answer is
#: doubted; publishers withdraw single days.
GONE_LIMIT, FEW_GONE = 0.2, 3


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
    feed: Source, good: pl.DataFrame, held: Cells, earlier: pl.DataFrame, now: datetime
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
    repeated = _repeated(feed.table, held.news(good), earlier, now)
    confirmed = lasting | repeated
    families = {one.id: family(one.family) for one in feed.series}
    found = find_restatements(feed.table.sized(good), feed.table.sized(held.rows), families)
    return Doubt(
        held={
            name: (rule, detail)
            for name, rule, detail in found.iter_rows()
            if (name, rule) not in confirmed
        },
        confirmed=frozenset(name for name, _ in confirmed),
    )


def set_aside(
    table: VersionedTable, rows: pl.DataFrame, doubts: Doubt, rejected: pl.DataFrame
) -> pl.DataFrame:
    """New rows of held series as rejected rows.

    Args:
        table: table that they are of.
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
            column_name=pl.lit(table.size),
            offending=pl.col(table.text).cast(pl.String),
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
    feed: Source, landed: LandedPull, held: Mapping[str, tuple[str, str]]
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
    table: VersionedTable, news: pl.DataFrame, earlier: pl.DataFrame, now: datetime
) -> frozenset[tuple[str, str]]:
    """Series and rules of which an earlier night's rows come again with the same values."""
    before = earlier.filter(pl.col("fate") == "open", pl.col("seen_at") <= now - _NIGHT)
    come = news.select(*_DAY, value=pl.col(table.text).cast(pl.String)).unique()
    met = before.join(come, on=_DAY, how="semi")
    other = met.join(come, on=[*_DAY, "value"], how="anti", nulls_equal=True)
    agreed = met.join(other, on=["series_id", "rule"], how="anti")
    return frozenset(agreed.select("series_id", "rule").iter_rows())


def misshapen(
    feed: Source,
    pull: Pull,
    good: pl.DataFrame,
    rejected: pl.DataFrame,
    held: Cells,
    sized: Collection[str] = (),
) -> Mapping[str, str]:
    """Series that break their shape inside what a pull asked for, and how.

    Args:
        feed: feed that was asked.
        pull: what was asked.
        good: rows that keep their contract, in the order of the answer.
        rejected: rejected rows, one line per broken rule.
        held: what was known of these series before.
        sized: series that a change of size makes misshapen, as it did in nights that earlier
            versions of this program recorded. Today one that no factor explains is believed.
    """
    new = feed.table.sized(good)
    refused = _one_part(rejected.unique("row"))
    order = findings(_one_part(new), refused, _shapes(feed, ordered=True))
    before = feed.table.sized(held.rows)
    whole = _one_part(pl.concat([new, before.join(new, on=_DAY, how="anti")]))
    asked = pl.col("period").is_between(pull.first, pull.last or date.max)
    rest = findings(whole, refused, _shapes(feed, ordered=False)).filter(asked)
    believed = (pl.col("rule") == "scale_change") & ~pl.col("series_id").is_in(list(sized))
    found = pl.concat([order, rest.filter(~believed)]).select("series_id", "detail")
    return dict(found.unique("series_id", keep="first", maintain_order=True).iter_rows())


def shape_faults(feed: Source, landed: LandedPull, odd: Mapping[str, str]) -> tuple[Fault, ...]:
    """The fault that misshapen series make, if there are any."""
    if not odd:
        return ()
    name, words = min(odd.items())
    others = f", and {len(odd) - 1} other series" if len(odd) > 1 else ""
    error = UnexpectedShape(
        feed.name,
        f"{name}: {words}{others}",
        "None of its rows was used; compare with the service's own page",
    )
    return (landed.fault(error),)


def _one_part(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(part=pl.lit(0))


def _shapes(feed: Source, *, ordered: bool) -> dict[str, Shape]:
    known = {one.id: family(one.family).shape for one in feed.series}
    if ordered:
        return {name: Shape(ascending=shape.ascending) for name, shape in known.items()}
    # A hole does not block a live feed: publishers pause, the answer is proven to be all there is,
    # and a hole of ours is filled by reading again.
    return {name: replace(shape, ascending=False, spacing=None) for name, shape in known.items()}


def gone_cells(
    table: VersionedTable, expected: pl.DataFrame, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Expected cells that are not there, and of which series too many are gone to believe it.

    Args:
        table: table that they are of.
        expected: the cells that are held.
        rows: those that came.

    Returns:
        The cells, and series_id, gone and held of each series that is doubted.
    """
    gone = expected.join(rows, on=table.cell, how="anti")
    share = (
        gone.group_by("series_id")
        .len("gone")
        .join(expected.group_by("series_id").len("held"), on="series_id")
    )
    limit = pl.max_horizontal(pl.col("held") * GONE_LIMIT, pl.lit(FEW_GONE))
    empty = (pl.col("gone") == pl.col("held")) & (pl.col("held") > 1)
    return gone, share.filter((pl.col("gone") > limit) | empty)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked again before it is believed that it was withdrawn.

    Attributes:
        alone: the question for one period of some series.
        absent: cells of that period that are held and did not come.
    """

    alone: Pull
    absent: pl.DataFrame


def questions(feed: Source, landed: Spool, pull: Pull, held: Held) -> list[Question]:
    """What to ask again, each period alone, as far as its absence is believable.

    Args:
        feed: feed that was asked.
        landed: what came.
        pull: what was asked.
        held: what is held.
    """
    alone = feed.asked.alone
    if alone is None or held.sizes.keys().isdisjoint(pull.series):
        return []
    absent = [
        _believable(feed.table, landed.take(blocks), names, pull, held)
        for blocks, names in landed.blocks.batches(landed.sizes(), held.sizes)
    ]
    days = pl.concat(absent).sort("period").partition_by("period", maintain_order=True)
    return [
        Question(alone(tuple(day["series_id"].unique().sort()), day["period"][0]), day)
        for day in days
    ]


def _believable(
    table: VersionedTable, rows: pl.DataFrame, names: tuple[str, ...], pull: Pull, held: Held
) -> pl.DataFrame:
    expected = held.cells(names).within(pull)
    gone, lost = gone_cells(table, expected, rows)
    cells = dict.fromkeys([*table.cell, "period"])
    return gone.join(lost, on="series_id", how="anti").select(list(cells))


def require_absent(feed: Source, pull: Pull, question: Question, rows: pl.DataFrame) -> None:
    """Check that what an answer lacked does not come when its period is asked for alone.

    Args:
        feed: feed that was asked.
        pull: what was asked first.
        question: what was asked then.
        rows: parsed rows of what came then.

    Raises:
        IncompleteResponse: it comes, so the first answer was not all there is.
    """
    came = question.absent.join(rows, on=feed.table.cell, how="semi").sort("series_id")
    if came.is_empty():
        return
    raise IncompleteResponse(
        feed.name,
        f"{pull.name}: {question.alone.first} of {came['series_id'][0]} was not in the answer, "
        "and comes when it is asked for alone",
        "Nothing of this pull was used; the next run asks again",
    )
