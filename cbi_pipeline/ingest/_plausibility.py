"""What of an answer is not believed: restated, misshapen or vanished series.

A night that restates a series by the factor between two units, by a power of ten or nearly as a
whole sets aside all that is new in it. The next night that brings the same values confirms them:
they are entered as of then, and so is what later nights bring by the same rule. A series that with
what is stored of it no longer looks like itself is not used. Periods that are stored and that an
answer lacks are withdrawn by their publisher, or were lost on the way to us: so they are asked for
alone. A file says at once what it restates and lacks, and a person answers for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from cbi_pipeline.feeds import IncompleteResponse, Source, UnexpectedShape
from cbi_pipeline.ingest._screen import Screened, find_refused_series
from cbi_pipeline.ingest._stage import LandedPull
from cbi_pipeline.ingest._stored import Cells, Stored, Stretch
from data_contracts.families import family
from data_contracts.family import Family
from data_contracts.own_history import OWN_HISTORY
from data_contracts.restatement import Restatements, is_confirmable
from data_contracts.shape import SCALE_CONTEXT, Shape, findings
from data_contracts.versioned import VersionedTable

#: A restatement reaches back through history in as many nights as a deep reading takes.
_CONFIRMED_FOR = timedelta(days=60)
_DAY = ["series_id", "period"]
#: Looks within this time are one night's.
_NIGHT = timedelta(hours=12)
#: Of the periods a pull asks for again, the most that may be gone at once before the answer is
#: doubted; publishers withdraw single days.
_GONE_LIMIT, _FEW_GONE = 0.2, 3
#: The same of a whole history, which is long: publishers withdraw single days of it too.
_GONE_OF_A_FILE = 0.002
#: Sizes mean something where a price is measured: an own history's contract claims nothing of them.
_PRICED = replace(OWN_HISTORY, shape=Shape(scale_limit=20.0))


@dataclass
class Doubts:
    """What of one pull or file is not believed, by series.

    Attributes:
        refused: series of which too many rows are refused: refused and all rows.
        misshapen: series that no longer look like themselves, and how.
        restated: series held for confirmation: the rule and the finding.
        confirmed: series of which more than one night said that their sizes have changed.
        repeated: series set aside when this was judged first, which stay so.
        absent: what :meth:`Absences.summarise` gives of series that lack cells.
        lost: the same of series of which too many are gone to believe it.
    """

    refused: dict[str, tuple[int, int]] = field(default_factory=dict)
    misshapen: dict[str, str] = field(default_factory=dict)
    restated: dict[str, tuple[str, str]] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    absent: list[dict[str, Any]] = field(default_factory=list)
    lost: list[dict[str, Any]] = field(default_factory=list)

    @property
    def series(self) -> set[str]:
        """Series nothing of which is used."""
        return {*self.refused, *self.misshapen, *self.restated, *self.repeated}

    def add(self, other: Doubts) -> None:
        """Add what is doubted of other series."""
        self.refused |= other.refused
        self.misshapen |= other.misshapen
        self.restated |= other.restated
        self.confirmed |= other.confirmed
        self.repeated |= other.repeated
        self.absent += other.absent
        self.lost += other.lost

    def require_present(self, feed: str, pull: str) -> None:
        """Check that not too many cells are gone at once.

        Raises:
            IncompleteResponse: they are, so the answer is hardly all there is.
        """
        if not self.lost:
            return
        worst = max(self.lost, key=lambda row: (row["gone"], row["series_id"]))
        raise IncompleteResponse(
            feed,
            f"{pull}: {worst['gone']} of {worst['stored']} periods we hold of "
            f"{worst['series_id']} are not in the answer",
            "Nothing of this pull was used, because so many are hardly withdrawn at once; "
            "look at the service's own page",
        )

    def errors(self, feed: str) -> list[UnexpectedShape]:
        """What is wrong with the series of a service, one error for each kind."""
        kinds = (self._describe_refused(), self._describe_misshapen(), self._describe_restated())
        return [UnexpectedShape(feed, *words) for words in kinds if words]

    def _describe_refused(self) -> tuple[str, str] | None:
        if not self.refused:
            return None
        name, (few, rows) = max(self.refused.items(), key=lambda item: item[1][0])
        others = f" and of {len(self.refused) - 1} other series" if len(self.refused) > 1 else ""
        return (
            f"{few} of {rows} rows of {name}{others} break their contract",
            "None of them was used; `cbi quarantine list` shows the reasons",
        )

    def _describe_misshapen(self) -> tuple[str, str] | None:
        if not self.misshapen:
            return None
        name, words = min(self.misshapen.items())
        number = len(self.misshapen) - 1
        others = f", and {number} other series" if number else ""
        return (
            f"{name}: {words}{others}",
            "None of its rows was used; compare with the service's own page",
        )

    def _describe_restated(self) -> tuple[str, str] | None:
        if not self.restated:
            return None
        name, (rule, detail) = min(self.restated.items())
        number = len(self.restated) - 1
        others = f", and {number} other series are held too" if number else ""
        return (
            f"{name} is held for confirmation: {detail}{others}",
            "None of its new rows was used. A second night that says the same confirms them, or "
            f"`cbi quarantine retry --rule {rule}`",
        )


class Examination:
    """Some series of one pull as they are looked at, a stretch of periods after the other.

    Args:
        feed: feed that was asked, or whose file was opened.
        landed: what came.
        stored: what was stored before.
        now: when it came.
        anew: False where the night was judged before: what was believed then is.
    """

    def __init__(
        self, feed: Source, landed: LandedPull, stored: Stored, now: datetime, *, anew: bool
    ) -> None:
        self._feed, self._landed, self._stored = feed, landed, stored
        self._now, self._anew = now, anew
        self._rejected: list[pl.DataFrame] = []
        self._shares: list[pl.DataFrame] = []
        self._restatements = Restatements(list_sized_families(feed))
        self._has_stored = False
        self._seen_again: list[pl.DataFrame] = []
        self._findings: list[pl.DataFrame] = []
        self._context: list[pl.DataFrame] = []
        self._absences = Absences(feed.table)

    def add(self, screened: Screened, cells: Cells, news: pl.DataFrame) -> None:
        """Look at the rows of a later stretch than those before.

        Args:
            screened: the rows.
            cells: what is stored of the same series and periods.
            news: rows to record: of a service, good rows that say something other than that.
        """
        table, good = self._feed.table, screened.good
        self._rejected.append(screened.rejected.select("series_id", "rule").unique())
        self._shares.append(screened.shares)
        if len(cells.rows):
            self._has_stored = True
            self._restatements.add(table.select_sizes(good), table.select_sizes(cells.rows))
            self._seen_again.append(self._find_seen_again(news))
        self._findings += self._find_odd(screened, cells)
        self._absences.add(cells.within(self._landed.pull), good)

    @property
    def findings(self) -> pl.DataFrame:
        """Where series break their shape."""
        return pl.concat(self._findings)

    def conclude(self) -> tuple[Doubts, pl.DataFrame]:
        """What is not believed of these series, and the rows that withdraw what is gone."""
        rejected = pl.concat(self._rejected)
        refused = find_refused_series(self._feed, self._shares)
        confirmed = self._find_confirmed(refused)
        restated = {
            name: (rule, detail)
            for name, rule, detail in self._restatements.find().iter_rows()
            if self._anew and (name, rule) not in confirmed and name not in refused
        }
        names = {name for name, _ in confirmed}
        odd = self._describe_odd(names | restated.keys() | refused.keys())
        # A row set aside is not a row withdrawn: such a series says nothing of absent periods.
        absences = self._absences.without(rejected["series_id"])
        doubts = Doubts(
            refused=dict(refused),
            misshapen={name: words for name, words in odd.items() if name not in refused},
            restated={name: why for name, why in restated.items() if name not in odd},
            confirmed=names - odd.keys(),
            repeated={name for name, rule in rejected.iter_rows() if is_confirmable(rule)},
            absent=absences.summarise().to_dicts(),
            lost=absences.find_lost(is_whole=self._feed.has_files).to_dicts(),
        )
        return doubts, self._withdraw(absences.cells)

    def _find_seen_again(self, news: pl.DataFrame) -> pl.DataFrame:
        """What comes in the place of rows that wait for a second sight."""
        come = news.select(*_DAY, value=pl.col(self._feed.table.text).cast(pl.String)).unique()
        return come.join(self._stored.doubts, on=_DAY, how="semi")

    def _find_confirmed(self, refused: Collection[str]) -> frozenset[tuple[str, str]]:
        """Series and rules of which more than one night said the same."""
        if not self._has_stored or self._feed.service is None:
            return frozenset()
        come = pl.concat(self._seen_again).filter(~pl.col("series_id").is_in(list(refused)))
        earlier = self._stored.doubts
        return _find_lasting(earlier, self._now) | _find_repeated(come, earlier, self._now)

    def _find_odd(self, screened: Screened, cells: Cells) -> list[pl.DataFrame]:
        """Where series break their shape: a file's own, and a service's with what is stored."""
        rows = self._feed.table.select_sizes(screened.good)
        refused = screened.rejected.unique("row")
        if self._feed.service is None:
            return [self._check_shape(rows, refused, screened.stretch, lambda shape: shape)]
        before = self._feed.table.select_sizes(cells.rows).join(rows, on=_DAY, how="anti")
        whole, pull = pl.concat([rows, before]), self._landed.pull
        asked = pl.col("period").is_between(pull.first, pull.last or date.max)
        odd = self._check_shape(whole, refused, screened.stretch, self._claim)
        odd = odd.filter(asked)
        if not self._landed.as_answered:
            # Rows that were sorted rise.
            return [odd]
        order = self._list_shapes(lambda shape: Shape(ascending=shape.ascending))
        return [findings(_as_part(rows), _as_part(refused), order), odd]

    def _claim(self, shape: Shape) -> Shape:
        """What is claimed of the shape of a service's series."""
        # A hole does not block a live feed: publishers pause, the answer is proven to be all there
        # is, and a hole of ours is filled by reading again. A change of size that no factor
        # explains is believed today.
        limit = shape.scale_limit if self._landed.sized else None
        return replace(shape, ascending=False, spacing=None, scale_limit=limit)

    def _check_shape(
        self,
        rows: pl.DataFrame,
        refused: pl.DataFrame,
        stretch: Stretch,
        claim: Callable[[Shape], Shape],
    ) -> pl.DataFrame:
        """Where rows, with those of the stretch before, break the shape of their family."""
        whole = pl.concat([*self._context, rows])
        if stretch.last is not None:
            last = whole.drop_nulls("value").sort(_DAY).group_by("series_id").tail(SCALE_CONTEXT)
            self._context = [last.select(whole.columns)]
        return findings(_as_part(whole), _as_part(refused), self._list_shapes(claim))

    def _list_shapes(self, claim: Callable[[Shape], Shape]) -> dict[str, Shape]:
        return {series.id: claim(family(series.family).shape) for series in self._feed.series}

    def _describe_odd(self, sized_otherwise: Collection[str]) -> Mapping[str, str]:
        """Series that break their shape, and how.

        Args:
            sized_otherwise: series that a change of size does not make misshapen.
        """
        resized = (pl.col("rule") == "scale_change") & pl.col("series_id").is_in(
            list(sized_otherwise)
        )
        odd = self.findings.filter(~resized)
        first = odd.unique("series_id", keep="first", maintain_order=True)
        return dict(first.select("series_id", "detail").iter_rows())

    def _withdraw(self, gone: pl.DataFrame) -> pl.DataFrame:
        table = self._feed.table
        return gone.with_columns(
            *table.empty_content(),
            available_at=pl.lit(self._now).dt.cast_time_unit("us"),
            available_basis=pl.lit("first_seen"),
            status=pl.lit("withdrawn"),
            response_id=pl.lit(self._landed.responses[-1].response_id),
            locator=pl.lit("absent"),
        ).select(table.row_columns)


class Absences:
    """Cells that are stored, and that an answer should have and has not.

    Args:
        table: table that they are of.
    """

    def __init__(self, table: VersionedTable) -> None:
        self._table = table
        self._gone: list[pl.DataFrame] = []
        self._counts: list[pl.DataFrame] = []

    def add(self, expected: pl.DataFrame, rows: pl.DataFrame) -> None:
        """Compare the cells of a stretch that are stored with the rows that came."""
        columns = list(dict.fromkeys([*self._table.cell, *self._table.identity, "period"]))
        gone = expected.select(columns).join(rows, on=self._table.cell, how="anti")
        self._gone.append(gone)
        self._counts.append(expected.group_by("series_id").len("stored"))

    def without(self, series: pl.Series) -> Absences:
        """Those of other series."""
        other, rest = ~pl.col("series_id").is_in(series.implode()), Absences(self._table)
        rest._gone = [gone.filter(other) for gone in self._gone]
        rest._counts = [counts.filter(other) for counts in self._counts]
        return rest

    @property
    def cells(self) -> pl.DataFrame:
        """What tells each cell apart, and its period."""
        return pl.concat(self._gone)

    def summarise(self) -> pl.DataFrame:
        """series_id, gone, first and stored of each series that lacks a cell."""
        gone = self.cells.group_by("series_id").agg(
            gone=pl.len(), first=pl.col(self._table.time).min()
        )
        stored = pl.concat(self._counts).group_by("series_id").sum()
        return gone.join(stored, on="series_id").sort("series_id")

    def find_lost(self, *, is_whole: bool = False) -> pl.DataFrame:
        """As :meth:`summarise`, of series of which too many are gone to believe it."""
        share = _GONE_OF_A_FILE if is_whole else _GONE_LIMIT
        limit = pl.max_horizontal(pl.col("stored") * share, pl.lit(_FEW_GONE))
        empty = (pl.col("gone") == pl.col("stored")) & (pl.col("stored") > 1)
        return self.summarise().filter((pl.col("gone") > limit) | empty)


def list_sized_families(feed: Source) -> dict[str, Family]:
    """Families by series, as far as what they say of sizes holds."""
    if feed.service is not None:
        return {series.id: family(series.family) for series in feed.series}
    return {
        series.id: _PRICED if series.family == OWN_HISTORY.name else family(series.family)
        for series in feed.series
        if series.family != OWN_HISTORY.name or series.unit.startswith("USD/")
    }


def _as_part(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(part=pl.lit(0))


def _find_lasting(earlier: pl.DataFrame, now: datetime) -> frozenset[tuple[str, str]]:
    """Series and rules that were confirmed not long ago."""
    recent = earlier.filter(fate="accepted").filter(pl.col("seen_at") > now - _CONFIRMED_FOR)
    return frozenset(recent.select("series_id", "rule").unique().iter_rows())


def _find_repeated(
    come: pl.DataFrame, earlier: pl.DataFrame, now: datetime
) -> frozenset[tuple[str, str]]:
    """Series and rules of which an earlier night's rows come again with the same values."""
    before = earlier.filter(pl.col("fate") == "open", pl.col("seen_at") <= now - _NIGHT)
    met = before.join(come, on=_DAY, how="semi")
    other = met.join(come, on=[*_DAY, "value"], how="anti", nulls_equal=True)
    agreed = met.join(other, on=["series_id", "rule"], how="anti")
    return frozenset(agreed.select("series_id", "rule").iter_rows())


def set_aside(
    feed: Source,
    news: pl.DataFrame,
    restated: Mapping[str, tuple[str, str]],
    rejected: pl.DataFrame,
) -> pl.DataFrame:
    """New rows of series held for confirmation as rejected rows.

    Args:
        feed: where they are from.
        news: rows of these series that say something new.
        restated: the series: the rule and the finding.
        rejected: rows that broke other rules, for its columns.
    """
    units = {series.id: series.unit for series in feed.series}
    rules = {name: rule for name, (rule, _) in restated.items()}
    name = pl.col("series_id")
    return (
        news.with_columns(
            row=pl.lit(None, pl.UInt32),
            unit=name.replace_strict(units, return_dtype=pl.String),
            row_json=pl.lit(""),
            rule=name.replace_strict(rules, return_dtype=pl.String),
            column_name=pl.lit(feed.table.size),
            offending=pl.col(feed.table.text).cast(pl.String),
            contract_version=pl.lit(None, pl.String),
        )
        .select(rejected.columns)
        .cast(rejected.schema)
    )
