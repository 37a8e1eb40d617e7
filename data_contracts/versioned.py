"""Tables whose rows are versions: what a source can fill, and how rows of each are read and judged.

A *cell* is what has versions: a period of a series, a bar of an instrument. Everything between a
source's bytes and its table asks here for the columns, so that one way in serves every table.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from data_contracts.core import Contract
from data_contracts.exchange import BAR, PARSED_BAR
from data_contracts.observation import OBSERVATION, PARSED
from data_contracts.split import RowRule

#: What is added to a row when it is recorded.
_RECORDED = ("version", "seen_at", "txn_id")


@dataclass(frozen=True, kw_only=True, eq=False)
class VersionedTable:
    """One table of versions.

    Attributes:
        contract: its contract.
        parsed: contract of its rows as a source parses them.
        noun: one cell, for people.
        time: column that tells the cells of a series apart, a date or an instant.
        content: columns that make a row say something else.
        lowest: of these, the number that keeps the lower bound of a series' family.
        highest: of these, the number that keeps the upper one.
        size: of these, the one that stands for the row where one number must.
        text: column that shows a row's number as it came.
        per_unit: how many of a number make one of the unit of its series.
        identity: columns that are the same in every row of a series, named by its dimensions.
        agreement: rules about how the numbers of a row fit together.
    """

    contract: Contract
    parsed: Contract
    noun: str
    time: str
    content: tuple[str, ...]
    lowest: str
    highest: str
    size: str
    text: str
    per_unit: int = 1
    identity: tuple[str, ...] = ()
    agreement: tuple[RowRule, ...] = ()

    @property
    def name(self) -> str:
        """The table, with its schema."""
        return self.contract.table

    @property
    def cell(self) -> list[str]:
        """Columns that identify a cell."""
        return ["series_id", self.time]

    @property
    def measured(self) -> list[str]:
        """Columns of numbers: the content but for ``status``, null unless that is ``value``."""
        return [name for name in self.content if name != "status"]

    @property
    def is_timed(self) -> bool:
        """Whether cells are told apart by an instant and not by a day."""
        return self.contract.dtypes[self.time] != pl.Date

    @property
    def day(self) -> pl.Expr:
        """The day of a row's cell, in UTC where it is an instant: the period it is asked for by."""
        column = pl.col(self.time)
        return column.dt.date() if self.is_timed else column

    @property
    def day_sql(self) -> str:
        """:attr:`day` in SQL."""
        return f"CAST({self.time} AT TIME ZONE 'UTC' AS DATE)" if self.is_timed else self.time

    @property
    def row_columns(self) -> list[str]:
        """What is recorded of a row, and its ``period``."""
        columns = [name for name in self.contract.dtypes if name not in _RECORDED]
        return columns if "period" in columns else [*columns, "period"]

    def with_period(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Parsed rows with the day that each is asked for by."""
        return rows.with_columns(period=self.day)

    def select_sizes(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Series, time as ``period`` and size, in the series' unit, as ``value`` of each row."""
        value = pl.col(self.size) if self.per_unit == 1 else pl.col(self.size) / self.per_unit
        return rows.select("series_id", period=self.time, value=value)

    def says_as(self, other: str) -> pl.Expr:
        """Whether a row says the same, to the bit, as other columns of it.

        Args:
            other: the other column of each, ``{}`` in the place of its name; null in ``status``
                where there is no other row, as is the answer then.
        """
        same = [
            self._bits(name, name).eq_missing(self._bits(name, other.format(name)))
            for name in self.measured
        ]
        return pl.all_horizontal(*same, pl.col("status") == pl.col(other.format("status")))

    def _bits(self, name: str, column: str) -> pl.Expr:
        if self.contract.dtypes[name].is_float():
            return pl.col(column).reinterpret(dtype=pl.Int64)
        return pl.col(column)

    def empty_content(self) -> list[pl.Expr]:
        """The content of a row that says that there is no value any more."""
        dtypes = self.contract.dtypes
        absent = dict.fromkeys((*self.measured, self.text))
        return [pl.lit(None, dtypes[name]).alias(name) for name in absent]

    def rules(self, low: float, high: float) -> list[RowRule]:
        """What every row's numbers keep, where they must lie between two bounds."""
        carries_value = pl.col("status") == "value"
        read = pl.all_horizontal(pl.col(name).is_not_null() for name in self.measured)
        return [
            RowRule("value_readable", self.text, ~carries_value | read),
            *self._bounds(low * self.per_unit, high * self.per_unit),
            *self.agreement,
        ]

    def _bounds(self, least: float, most: float) -> list[RowRule]:
        lowest, highest = pl.col(self.lowest), pl.col(self.highest)
        if self.lowest == self.highest:
            within = lowest.is_between(least, most) | lowest.is_null()
            return [RowRule("bounds", self.lowest, within)]
        return [
            RowRule("bounds", self.highest, (highest <= most) | highest.is_null()),
            RowRule("bounds", self.lowest, (lowest >= least) | lowest.is_null()),
        ]


def _extreme(name: str, holds: pl.Expr) -> RowRule:
    return RowRule(f"is_{name}", name, holds | pl.col(name).is_null())


OBSERVATIONS = VersionedTable(
    contract=OBSERVATION,
    parsed=PARSED,
    noun="observation",
    time="period",
    content=("value", "status"),
    lowest="value",
    highest="value",
    size="value",
    text="value_text",
)
BARS = VersionedTable(
    contract=BAR,
    parsed=PARSED_BAR,
    noun="bar",
    time="ts_event",
    content=("open", "high", "low", "close", "volume", "status"),
    lowest="low",
    highest="high",
    size="close",
    text="close",
    per_unit=10**9,
    identity=("dataset", "instrument", "width"),
    agreement=(
        _extreme("high", pl.col("high") >= pl.max_horizontal("open", "low", "close")),
        _extreme("low", pl.col("low") <= pl.min_horizontal("open", "high", "close")),
    ),
)
#: Every table that a source can fill.
VERSIONED = (OBSERVATIONS, BARS)
