"""What of an answer is not believed: restated, misshapen or vanished series, and how that is told.

A night that restates a series by the factor between two units, by a power of ten or nearly as a
whole sets aside all that is new in it. The next night that brings the same values confirms them:
they are entered as of then, and so is what later nights bring by the same rule. A series that with
what is held of it no longer looks like itself is not used. Periods that we hold and an answer lacks
are withdrawn by their publisher, or were lost on the way to us: so they are asked for alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import polars as pl

from cbi_pipeline.feeds import IncompleteResponse, Pull, Source, UnexpectedShape
from cbi_pipeline.ingest._incidents import Fault
from cbi_pipeline.ingest._screen import Screened
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


@dataclass
class Examination:
    """One pull of a service as its series are looked at in turn: what of it is not believed.

    Attributes:
        feed: feed that was asked.
        landed: what came.
        held: what was held before.
        now: when it came.
        anew: False where the night was judged before: what was believed then is.
        doubted: series of which too many rows are refused: refused and all rows.
        odd: series that no longer look like themselves, and how.
        unsure: series held until they are seen again: the rule and the finding.
        confirmed: series of which more than one night said that their sizes have changed.
        lost: series, periods gone and periods held, where too many are gone to believe it.
    """

    feed: Source
    landed: LandedPull
    held: Held
    now: datetime
    anew: bool
    doubted: dict[str, tuple[int, int]] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)
    unsure: dict[str, tuple[str, str]] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    lost: list[tuple[str, int, int]] = field(default_factory=list)

    def examine(self, some: Screened) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """What is believed of some series: good rows, those that are new, further rejected ones."""
        table, cells = self.feed.table, self.held.cells(some.series)
        unsure, confirmed = self._restated(some.good, cells)
        sized = set(some.series) - confirmed - unsure.keys() if self.landed.sized else ()
        odd = misshapen(self.feed, self.landed.pull, some.good, some.rejected, cells, sized)
        unsure = {name: why for name, why in unsure.items() if name not in odd}
        believed = ~pl.col("series_id").is_in([*odd, *unsure, *held_before(some.rejected)])
        good = some.good.filter(believed).select(table.row_columns)
        gone = self._gone(some, cells).filter(believed)
        news = pl.concat([cells.news(good), self._withdrawals(gone)])
        self.doubted |= some.doubted
        self.odd |= odd
        self.unsure |= unsure
        self.confirmed |= confirmed - set(odd)
        return good, news, set_aside(table, cells.news(some.good), unsure, some.rejected)

    def require_believable(self) -> None:
        """Check that not too many periods are gone at once.

        Raises:
            IncompleteResponse: they are, so the answer is hardly all there is.
        """
        if not self.lost:
            return
        name, gone, rows = max(self.lost, key=lambda one: (one[1], one[0]))
        raise IncompleteResponse(
            self.feed.name,
            f"{self.landed.pull.name}: {gone} of {rows} periods we hold of {name} are not in the "
            "answer",
            "Nothing of this pull was used, because so many are hardly withdrawn at once; "
            "look at the service's own page",
        )

    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with its series, one fault for each kind."""
        found = (self._refused(), self._misshapen(), self._unconfirmed())
        errors = (UnexpectedShape(self.feed.name, *words) for words in found if words)
        return tuple(map(self.landed.fault, errors))

    def _restated(
        self, good: pl.DataFrame, held: Cells
    ) -> tuple[dict[str, tuple[str, str]], frozenset[str]]:
        """Series that one sight is not enough for, and series whose sizes changed for good."""
        if held.rows.is_empty():
            return {}, frozenset()
        table, earlier = self.feed.table, self.held.doubts
        confirmed = _lasting(earlier, self.now) | _repeated(
            table, held.news(good), earlier, self.now
        )
        families = {one.id: family(one.family) for one in self.feed.series}
        found = find_restatements(table.sized(good), table.sized(held.rows), families)
        unsure = {
            name: (rule, detail)
            for name, rule, detail in found.iter_rows()
            if self.anew and (name, rule) not in confirmed
        }
        return unsure, frozenset(name for name, _ in confirmed)

    def _gone(self, some: Screened, cells: Cells) -> pl.DataFrame:
        """Held cells that the answer should have and has not."""
        # A row set aside is not a row withdrawn: such a series says nothing about absent periods.
        silent = ~pl.col("series_id").is_in(some.rejected["series_id"].unique().implode())
        expected = cells.within(self.landed.pull).filter(silent)
        gone, lost = gone_cells(self.feed.table, expected, some.good)
        self.lost.extend(lost.iter_rows())
        return gone

    def _withdrawals(self, gone: pl.DataFrame) -> pl.DataFrame:
        table = self.feed.table
        return gone.with_columns(
            *table.empty_content(),
            available_at=pl.lit(self.now).dt.cast_time_unit("us"),
            available_basis=pl.lit("first_seen"),
            status=pl.lit("withdrawn"),
            response_id=pl.lit(self.landed.responses[-1].response_id),
            locator=pl.lit("absent"),
        ).select(table.row_columns)

    def _refused(self) -> tuple[str, str] | None:
        if not self.doubted:
            return None
        name, (few, rows) = max(self.doubted.items(), key=lambda one: one[1][0])
        others = f" and of {len(self.doubted) - 1} other series" if len(self.doubted) > 1 else ""
        return (
            f"{few} of {rows} rows of {name}{others} break their contract",
            "None of them was used; `cbi quarantine list` shows the reasons",
        )

    def _misshapen(self) -> tuple[str, str] | None:
        if not self.odd:
            return None
        name, words = min(self.odd.items())
        others = f", and {len(self.odd) - 1} other series" if len(self.odd) > 1 else ""
        return (
            f"{name}: {words}{others}",
            "None of its rows was used; compare with the service's own page",
        )

    def _unconfirmed(self) -> tuple[str, str] | None:
        if not self.unsure:
            return None
        name, (rule, detail) = min(self.unsure.items())
        number = len(self.unsure) - 1
        others = f", and {number} other series are held too" if number else ""
        return (
            f"{name} is held for confirmation: {detail}{others}",
            "None of its new rows was used. A second night that says the same confirms them, or "
            f"`cbi quarantine retry --rule {rule}`",
        )


def set_aside(
    table: VersionedTable,
    rows: pl.DataFrame,
    unsure: Mapping[str, tuple[str, str]],
    rejected: pl.DataFrame,
) -> pl.DataFrame:
    """New rows of held series as rejected rows.

    Args:
        table: table that they are of.
        rows: what good rows say that is new.
        unsure: which series are held: the rule and the finding.
        rejected: rows that broke other rules, for its columns.
    """
    rules = {name: rule for name, (rule, _) in unsure.items()}
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
