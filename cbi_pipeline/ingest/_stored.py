"""What the warehouse stores of a feed's series, and the row that every transaction leaves there.

What is stored decides what is asked, what is new and what is gone. It is read some series at a
time, and of a long series a stretch of its periods at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from cbi_pipeline.feeds import Pull, Source
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.ledger import TRANSACTION
from data_contracts.observation import QUARANTINE
from data_contracts.restatement import is_confirmable
from data_contracts.versioned import OBSERVATIONS, VersionedTable

#: Later than any knowledge time: the state of everything accepted.
END_OF_TIME = datetime.fromisoformat("9999-12-31T00:00:00+00:00")
#: What a transaction counts.
COUNTS = ("parsed", "accepted", "added", "quarantined", "duplicates", "ignored")


class Stretch(NamedTuple):
    """Periods that follow each other, from the first to the last; None where it is open."""

    first: date | None = None
    last: date | None = None

    def covers(self, period: pl.Expr) -> pl.Expr:
        """Whether a period lies in it; one that cannot be read lies in the first."""
        begun = pl.lit(value=True) if self.first is None else period >= self.first
        over = pl.lit(value=False) if self.last is None else period > self.last
        return (begun & ~over).fill_null(value=self.first is None)


@dataclass(frozen=True, slots=True)
class Cells:
    """The newest version of every cell of some series.

    Attributes:
        rows: what tells each cell apart, its content and its ``period``, sorted.
        table: table that they are of.
    """

    rows: pl.DataFrame
    table: VersionedTable = OBSERVATIONS

    def within(self, pull: Pull) -> pl.DataFrame:
        """Cells a pull asks for again, withdrawn ones aside."""
        asked = pl.col("series_id").is_in(pull.series) & (pl.col("period") >= pull.first)
        if pull.last is not None:
            asked &= pl.col("period") <= pull.last
        return self.rows.filter(asked & (pl.col("status") != "withdrawn"))

    def news(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that say something other than what is stored."""
        if self.rows.is_empty():
            return rows
        cell = self.table.cell
        met = rows.join(self.rows, on=cell, how="left", suffix="_stored", maintain_order="left")
        same = self.table.says_as("{}_stored")
        return met.filter(~same.fill_null(value=False)).select(rows.columns)


@dataclass(frozen=True, slots=True)
class Stored:
    """What an open warehouse holds of a feed's series, its cells read as they are needed.

    Attributes:
        newest: newest period per series that has any.
        sizes: versions per series of which anything was ever stored.
        doubts: rows of ``quarantine.row`` that wait for a second sight, or were let in by one.
        table: table that its source fills.
    """

    newest: Mapping[str, date] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    doubts: pl.DataFrame = field(default_factory=QUARANTINE.empty)
    table: VersionedTable = OBSERVATIONS
    _store: Store | None = None

    @classmethod
    @contextmanager
    def open_published(cls, warehouse: Warehouse, feed: Source) -> Iterator[Stored]:
        """What the published snapshot holds, for as long as the block lasts; no writer waits."""
        with cls._open(warehouse.read_published(), feed) as stored:
            yield stored

    @classmethod
    @contextmanager
    def open_newest(cls, warehouse: Warehouse, feed: Source) -> Iterator[Stored]:
        """What the run that asks may see, readable while the block lasts."""
        with cls._open(warehouse.read(), feed) as stored:
            yield stored

    @classmethod
    @contextmanager
    def _open(cls, opened: AbstractContextManager[Store], feed: Source) -> Iterator[Stored]:
        with ExitStack() as stack:
            try:
                store = stack.enter_context(opened)
            except NothingPublished:
                yield cls(table=feed.table)
            else:
                yield cls.read(store, feed)

    @classmethod
    def read(cls, store: Store, feed: Source) -> Stored:
        """What an open warehouse holds of a feed's series."""
        names, table, time = [series.id for series in feed.series], feed.table, feed.table.time
        sizes = store.query(
            f"SELECT series_id, count(*) FROM {table.name} WHERE series_id = ANY(?) GROUP BY ALL",
            [names],
        )
        # A withdrawn period may have been given again since.
        newest = store.query(
            f"""
            WITH ours AS NOT MATERIALIZED (
                FROM {table.name} WHERE series_id = ANY(?)),
            doubtful AS (
                SELECT series_id, {time}, max_by(status, version) AS status
                FROM ours SEMI JOIN (
                    SELECT DISTINCT series_id, {time} FROM ours WHERE status = 'withdrawn'
                ) USING (series_id, {time}) GROUP BY ALL)
            SELECT series_id, max({table.day_sql})
            FROM ours ANTI JOIN (FROM doubtful WHERE status = 'withdrawn')
                USING (series_id, {time})
            GROUP BY ALL""",
            [names],
        )
        aside = store.table("quarantine.row", "feed = ? AND fate <> 'superseded'", [feed.name])
        rules = list(filter(is_confirmable, aside["rule"].unique()))
        doubts = aside.filter(pl.col("rule").is_in(rules))
        return cls(dict(newest.iter_rows()), dict(sizes.iter_rows()), doubts, table, store)

    def cells(self, series: Collection[str], stretch: Stretch = Stretch()) -> Cells:  # noqa: B008
        """The cells of some series in a stretch of periods."""
        table, names = self.table, self._select_present(series)
        columns = [*table.cell, *table.identity, *table.content]
        if self._store is None or not names:
            return Cells(table.with_period(table.contract.empty().select(columns)), table)
        condition, bounds = self._bounds(stretch)
        rows = self._store.query(
            f"""
            SELECT {", ".join(columns)} FROM {table.name}
            WHERE series_id = ANY(?) {condition}
            QUALIFY version = max(version) OVER (PARTITION BY {", ".join(table.cell)})
            ORDER BY {", ".join(table.cell)}""",
            [names, *bounds],
        )
        return Cells(table.with_period(rows), table)

    def last(self, series: str, number: int) -> pl.DataFrame:
        """The newest cells of a series that have a value: so many at least, where there are."""
        days, versions = self.days([series]), number
        while True:
            first = _count_back(days, versions)
            rows = self.cells([series], Stretch(first)).rows.filter(status="value")
            if first is None or len(rows) >= number:
                return rows
            versions *= 2

    def days(self, series: Collection[str]) -> Counter[date]:
        """Versions of some series by the day of their period."""
        names = self._select_present(series)
        if self._store is None or not names:
            return Counter()
        sql = f"SELECT {self.table.day_sql}, count(*) FROM {self.table.name}"
        rows = self._store.query(f"{sql} WHERE series_id = ANY(?) GROUP BY ALL", [names])
        return Counter(dict(rows.iter_rows()))

    def _select_present(self, series: Collection[str]) -> list[str]:
        return [name for name in series if name in self.sizes]

    def _bounds(self, stretch: Stretch) -> tuple[str, list[date]]:
        """A stretch as a condition on the column of time itself, which the database can skip by."""
        time, conditions, bounds = self.table.time, [], list[date]()
        if stretch.first is not None:
            conditions.append(f"AND {time} >= ?")
            bounds.append(self._begin(stretch.first))
        if stretch.last is not None:
            conditions.append(f"AND {time} < ?")
            bounds.append(self._begin(stretch.last + timedelta(days=1)))
        return " ".join(conditions), bounds

    def _begin(self, day: date) -> date:
        if not self.table.is_timed:
            return day
        return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _count_back(days: Mapping[date, int], number: int) -> date | None:
    """The newest day since which there are so many; None where there are fewer."""
    total = 0
    for day in sorted(days, reverse=True):
        total += days[day]
        if total >= number:
            return day
    return None


def read_state(store: Store) -> str:
    """State of everything that is accepted."""
    return store.state(END_OF_TIME, store.table("ref.series")["series_id"].to_list())


def note_transaction(
    store: Store,
    *,
    txn_id: int,
    feed: str,
    seen_at: datetime,
    before: str,
    counts: Mapping[str, int],
    response_ids: Sequence[str] = (),
) -> str:
    """Write the row of the running transaction, which the ledger numbered; gives the state after.

    Args:
        store: the warehouse, open for writing, with everything that the transaction writes.
        txn_id: its number.
        feed: what was ingested, or what stands in the place of a feed.
        seen_at: when its rows became known to us.
        before: the state before it.
        counts: rows by name, as of ``COUNTS``; none where one is not given.
        response_ids: answers that rows were read from.
    """
    after = read_state(store)
    row = {
        "txn_id": txn_id,
        "feed": feed,
        "seen_at": seen_at,
        "response_ids": list(response_ids),
        "state_before": before,
        "state_after": after,
        **{name: counts.get(name, 0) for name in COUNTS},
    }
    store.append("ledger.txn", pl.DataFrame([row], schema=TRANSACTION.dtypes))
    return after
