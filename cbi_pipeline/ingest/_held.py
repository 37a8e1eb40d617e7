"""What is held of a live feed's series: decides what is asked, what is new, what is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from cbi_pipeline.feeds.live import LiveFeed, Pull
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.observation import OBSERVATION, QUARANTINE
from data_contracts.restatement import is_confirmable

CELL = ["series_id", "period"]
_COLUMNS = ("series_id", "period", "value", "status")


@dataclass(frozen=True, slots=True)
class Cells:
    """The newest version of every cell of some series.

    Attributes:
        rows: series_id, period, value, status, sorted.
    """

    rows: pl.DataFrame

    def within(self, pull: Pull) -> pl.DataFrame:
        """Cells a pull asks for again, withdrawn ones aside."""
        asked = pl.col("series_id").is_in(pull.series) & (pl.col("period") >= pull.first)
        if pull.last is not None:
            asked &= pl.col("period") <= pull.last
        return self.rows.filter(asked & (pl.col("status") != "withdrawn"))

    def news(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that say something other than what is held."""
        met = rows.join(self.rows, on=CELL, how="left", suffix="_held", maintain_order="left")
        bits = pl.col("value").reinterpret(signed=True)
        same = bits.eq_missing(pl.col("value_held").reinterpret(signed=True)) & (
            pl.col("status") == pl.col("status_held")
        )
        return met.filter(~same.fill_null(value=False)).select(rows.columns)


@dataclass(frozen=True, slots=True)
class Held:
    """What an open warehouse holds of a feed's series, its cells read as they are needed.

    Attributes:
        newest: newest period per series that has any.
        sizes: versions per series of which anything was ever held.
        doubts: rows of ``quarantine.row`` that wait for a second sight, or were let in by one.
    """

    newest: Mapping[str, date] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    doubts: pl.DataFrame = field(default_factory=QUARANTINE.empty)
    _store: Store | None = None

    @classmethod
    @contextmanager
    def published(cls, warehouse: Warehouse, feed: LiveFeed) -> Iterator[Held]:
        """What the published snapshot holds, readable while the block lasts."""
        with ExitStack() as stack:
            try:
                store = stack.enter_context(warehouse.read())
            except NothingPublished:
                yield cls()
            else:
                yield cls.read(store, feed)

    @classmethod
    def read(cls, store: Store, feed: LiveFeed) -> Held:
        """What an open warehouse holds of a feed's series."""
        names = [one.id for one in feed.series]
        sizes = store.query(
            "SELECT series_id, count(*) FROM raw.observation WHERE series_id = ANY(?) GROUP BY ALL",
            [names],
        )
        # A withdrawn period may have been given again since.
        newest = store.query(
            """
            WITH ours AS NOT MATERIALIZED (
                FROM raw.observation WHERE series_id = ANY(?)),
            doubtful AS (
                SELECT series_id, period, max_by(status, version) AS status
                FROM ours SEMI JOIN (
                    SELECT DISTINCT series_id, period FROM ours WHERE status = 'withdrawn'
                ) USING (series_id, period) GROUP BY ALL)
            SELECT series_id, max(period)
            FROM ours ANTI JOIN (FROM doubtful WHERE status = 'withdrawn')
                USING (series_id, period)
            GROUP BY ALL""",
            [names],
        )
        aside = store.table("quarantine.row", "feed = ? AND fate <> 'superseded'", [feed.name])
        rules = list(filter(is_confirmable, aside["rule"].unique()))
        doubts = aside.filter(pl.col("rule").is_in(rules))
        return cls(dict(newest.iter_rows()), dict(sizes.iter_rows()), doubts, store)

    def cells(self, series: Collection[str]) -> Cells:
        """The cells of some series."""
        met = [name for name in series if name in self.sizes]
        if self._store is None or not met:
            return Cells(pl.DataFrame(schema={name: OBSERVATION.dtypes[name] for name in _COLUMNS}))
        return Cells(
            self._store.query(
                f"""
                SELECT {", ".join(_COLUMNS)} FROM raw.observation
                WHERE series_id = ANY(?)
                QUALIFY version = max(version) OVER (PARTITION BY series_id, period)
                ORDER BY series_id, period""",
                [met],
            )
        )
