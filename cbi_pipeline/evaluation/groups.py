"""Groups of forecasts that are summed together, by week: one cell, one margin, or everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]

ALL = "*"


@dataclass(frozen=True)
class Group:
    """The scored forecasts of some commodities and horizons, the same origins for every recipe.

    Attributes:
        commodity: its id, or ``*`` for all.
        horizon: its label, or ``*`` for all.
        frames: recipe to its rows of `losses`, all in the same order.
    """

    commodity: str
    horizon: str
    frames: dict[str, pl.DataFrame]

    @property
    def count(self) -> int:
        """Forecasts scored per recipe."""
        return self._rows.height

    @property
    def weeks(self) -> int:
        """Distinct weeks with a scored forecast."""
        return int(self._week_of.max()) + 1

    @cached_property
    def lags(self) -> int:
        """Later weeks in which a forecast was made before an earlier one's target was known.

        Errors of such forecasts share news, so they are correlated even for a perfect forecaster.
        """
        instants = self._rows["as_of"].to_physical().to_numpy()
        latest = np.zeros(self.weeks, dtype=np.int64)
        np.maximum.at(latest, self._week_of, instants)
        public = self._rows["known_at"].to_physical().to_numpy()
        return int(max(0, np.max(np.searchsorted(latest, public) - 1 - self._week_of)))

    def sums(self, recipe: str, column: str | None) -> Floats:
        """Weekly sums of a column of `losses`, or of ones (the count) when None; [weeks]."""
        return self._weekly(np.ones(self.count) if column is None else self._values(recipe, column))

    def scaled(self, recipe: str, opponent: str, column: str = "crps") -> tuple[Floats, Floats]:
        """Weekly sums of both losses over the opponent's mean loss in each cell; each [weeks].

        Every cell weighs the same however volatile its market or long its record: the opponent's
        sums to the number of weeks. One minus the ratio of the sums is the mean over the cells of
        the recipe's skill in each.
        """
        mine, theirs = self._values(recipe, column), self._values(opponent, column)
        total = np.bincount(self._cell_of, theirs)
        weights = self.weeks / (total[self._cell_of] * len(total))
        return self._weekly(mine * weights), self._weekly(theirs * weights)

    def difference(self, recipe: str, opponent: str) -> Floats:
        """Weekly scaled CRPS differences whose mean is the recipe's skill over the opponent."""
        mine, theirs = self.scaled(recipe, opponent)
        return theirs - mine

    def _weekly(self, values: Floats) -> Floats:
        return np.bincount(self._week_of, values, self.weeks).astype(np.float64)

    def _values(self, recipe: str, column: str) -> Floats:
        return self.frames[recipe][column].cast(pl.Float64).to_numpy()

    @cached_property
    def _rows(self) -> pl.DataFrame:
        return next(iter(self.frames.values()))

    @cached_property
    def _week_of(self) -> npt.NDArray[np.int64]:
        return (self._rows["week"].rank("dense").to_numpy() - 1).astype(np.int64)

    @cached_property
    def _cell_of(self) -> npt.NDArray[np.int64]:
        cells = self._rows.select(pl.struct("commodity", "horizon").rank("dense")).to_series()
        return (cells.to_numpy() - 1).astype(np.int64)


def common(losses: pl.DataFrame, recipes: Sequence[str]) -> pl.DataFrame:
    """Rows of these recipes at the origins that all of them forecast."""
    names = list(dict.fromkeys(recipes))
    chosen = losses.filter(pl.col("recipe").is_in(names))
    return chosen.filter(pl.len().over("commodity", "horizon", "origin_session") == len(names))


def group(losses: pl.DataFrame, commodity: str = ALL, horizon: str = ALL) -> Group:
    """The group of a commodity and horizon in a frame of `losses`; ``*`` takes all of them."""
    chosen = losses
    if commodity != ALL:
        chosen = chosen.filter(pl.col("commodity") == commodity)
    if horizon != ALL:
        chosen = chosen.filter(pl.col("horizon") == horizon)
    frames = chosen.partition_by("recipe", as_dict=True, maintain_order=True)
    return Group(commodity, horizon, {str(name): rows for (name,), rows in frames.items()})


def groups(losses: pl.DataFrame) -> Iterator[Group]:
    """Each cell first, then each commodity, each horizon, and everything."""
    yield from (group(losses, *cell) for cell in places(losses))


def places(losses: pl.DataFrame) -> list[tuple[str, str]]:
    """Commodity and horizon of each group: cells, commodities, horizons, and everything."""
    cells = losses.select("commodity", "horizon").unique(maintain_order=True).rows()
    commodities, horizons = (dict.fromkeys(cell[n] for cell in cells) for n in (0, 1))
    margins = [*((name, ALL) for name in commodities), *((ALL, name) for name in horizons)]
    return [*cells, *margins, *([(ALL, ALL)] if cells else [])]
