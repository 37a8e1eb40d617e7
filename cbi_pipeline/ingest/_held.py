"""What is held of a live feed's series: decides what is asked, what is new, what is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from cbi_pipeline.feeds.live import LiveFeed, Pull
from cbi_pipeline.warehouse import NothingPublished, Store, Warehouse
from data_contracts.observation import OBSERVATION

CELL = ["series_id", "period"]
_COLUMNS = ("series_id", "period", "value", "status")


@dataclass(frozen=True, slots=True)
class Held:
    """The newest version of every cell of some series.

    Attributes:
        cells: series_id, period, value, status, sorted.
    """

    cells: pl.DataFrame

    @classmethod
    def of(cls, warehouse: Warehouse, feed: LiveFeed) -> Held:
        """What the published snapshot holds of a feed's series."""
        try:
            with warehouse.read() as store:
                return cls.read(store, feed)
        except NothingPublished:
            return cls.nothing()

    @classmethod
    def nothing(cls) -> Held:
        """Nothing yet."""
        return cls(pl.DataFrame(schema={name: OBSERVATION.dtypes[name] for name in _COLUMNS}))

    @classmethod
    def read(cls, store: Store, feed: LiveFeed) -> Held:
        """What an open warehouse holds of a feed's series."""
        return cls(
            store.query(
                f"""
                SELECT {", ".join(_COLUMNS)} FROM raw.observation
                WHERE series_id = ANY(?)
                QUALIFY version = max(version) OVER (PARTITION BY series_id, period)
                ORDER BY series_id, period""",
                [[one.id for one in feed.series]],
            )
        )

    @property
    def newest(self) -> Mapping[str, date]:
        """Newest period per series that has any."""
        found = self.cells.filter(pl.col("status") != "withdrawn")
        return dict(found.group_by("series_id").agg(pl.col("period").max()).iter_rows())

    @property
    def series(self) -> list[str]:
        """Series of which anything was ever held."""
        return self.cells["series_id"].unique().to_list()

    def within(self, pull: Pull) -> pl.DataFrame:
        """Cells a pull asks for again, withdrawn ones aside."""
        asked = pl.col("series_id").is_in(pull.series) & (pl.col("period") >= pull.first)
        if pull.last is not None:
            asked &= pl.col("period") <= pull.last
        return self.cells.filter(asked & (pl.col("status") != "withdrawn"))

    def cells_in(self, pull: Pull) -> int:
        """Number of cells a pull asks for again, withdrawn ones aside."""
        return len(self.within(pull))

    def news(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that say something other than what is held."""
        met = rows.join(self.cells, on=CELL, how="left", suffix="_held", maintain_order="left")
        bits = pl.col("value").reinterpret(signed=True)
        same = bits.eq_missing(pl.col("value_held").reinterpret(signed=True)) & (
            pl.col("status") == pl.col("status_held")
        )
        return met.filter(~same.fill_null(value=False)).select(rows.columns)

    def says_the_same(self, rows: pl.DataFrame) -> bool:
        """Whether rows say exactly what is held."""
        return self.news(rows).is_empty()
