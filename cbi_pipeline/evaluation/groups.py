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
# Beyond this autocorrelation a sample does not say how long a memory is.
LONGEST_MEMORY = 0.98


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

    @property
    def calendar(self) -> npt.NDArray[np.datetime64]:
        """The weeks, increasing, by their Mondays; [weeks]."""
        return self._rows["week"].unique().sort().to_numpy()

    @cached_property
    def lags(self) -> int:
        """Later weeks in which a forecast was made before an earlier one's target was known.

        Errors of such forecasts share news, so they are correlated even for a perfect forecaster.
        """
        return _count_overlap(self._week_of, *self._instants)

    @property
    def independent(self) -> float:
        """Outcomes that share no news, over all cells: weeks over one plus the overlap."""
        return float(self._independent.sum())

    @cached_property
    def precision(self) -> Floats:
        """Weight of each cell in what is pooled, in the order of their ids; [cells], sum 1.

        It is the number of outcomes that share no news, weeks over one plus the overlap: with it
        falls the variance of a mean of relative differences. Thirteen weekly forecasts of a
        quarter are one outcome, thirteen of a week are thirteen.
        """
        shares: Floats = self._independent / self._independent.sum()
        return shares

    def memory(self, recipe: str, opponent: str) -> int:
        """Weeks for which one recipe's bands stay wider than the other's.

        Losses differ as long as the bands do, which autocovariances of the noisy losses hardly
        show. With r the autocorrelation of the weekly mean of (mine - theirs) / (mine + theirs),
        widths of the 80 % bands, it is (1 + r) / (1 - r), by which persistence divides the number
        of independent weeks (Bartlett, 1946). Where both lack the ends of that band, it is the
        widest one that they share.
        """
        mine, theirs = (self._values(name, "spread") for name in (recipe, opponent))
        both = np.maximum(mine + theirs, np.finfo(np.float64).tiny)
        weekly = self._weekly((mine - theirs) / both) / self._weekly(np.ones(self.count))
        apart = weekly - weekly.mean()
        if not apart.any():
            return 0
        r = np.clip(apart[1:] @ apart[:-1] / (apart @ apart), 0.0, LONGEST_MEMORY)
        return round(float((1.0 + r) / (1.0 - r)))

    def sums(self, recipe: str, column: str | None) -> Floats:
        """Weekly sums of a column of `losses`, or of ones (the count) when None; [weeks]."""
        return self._weekly(np.ones(self.count) if column is None else self._values(recipe, column))

    def scale_losses(
        self, recipe: str, opponent: str, column: str = "crps"
    ) -> tuple[Floats, Floats]:
        """Weekly sums of both losses over the opponent's mean loss in each cell; each [weeks].

        Cells weigh by their `precision`, however volatile their markets: the opponent's sums to
        the number of weeks. One minus the ratio of the sums is the mean over the cells, so
        weighted, of the recipe's skill in each.
        """
        mine, theirs = self._values(recipe, column), self._values(opponent, column)
        total = np.bincount(self._cell_of, theirs)
        weights = (self.weeks * self.precision / total)[self._cell_of]
        return self._weekly(mine * weights), self._weekly(theirs * weights)

    def difference(self, recipe: str, opponent: str) -> Floats:
        """Weekly scaled CRPS differences whose mean is the recipe's skill over the opponent."""
        mine, theirs = self.scale_losses(recipe, opponent)
        return theirs - mine

    def _weekly(self, values: Floats) -> Floats:
        return np.bincount(self._week_of, values, self.weeks).astype(np.float64)

    def _values(self, recipe: str, column: str) -> Floats:
        return self.frames[recipe][column].cast(pl.Float64).to_numpy()

    @cached_property
    def _independent(self) -> Floats:
        """Outcomes of each cell that share no news; [cells]."""
        made, public = self._instants
        counts = []
        for cell in range(int(self._cell_of.max()) + 1):
            own = self._cell_of == cell
            weeks, week_of = np.unique(self._week_of[own], return_inverse=True)
            counts.append(len(weeks) / (1 + _count_overlap(week_of, made[own], public[own])))
        return np.array(counts)

    @cached_property
    def _rows(self) -> pl.DataFrame:
        return next(iter(self.frames.values()))

    @cached_property
    def _instants(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """When each forecast was made and its outcome was public, in microseconds."""
        made, public = (self._rows[name].to_physical().to_numpy() for name in ("as_of", "known_at"))
        return made, public

    @cached_property
    def _week_of(self) -> npt.NDArray[np.int64]:
        return (self._rows["week"].rank("dense").to_numpy() - 1).astype(np.int64)

    @cached_property
    def _cell_of(self) -> npt.NDArray[np.int64]:
        cells = self._rows.select(pl.struct("commodity", "horizon").rank("dense")).to_series()
        return (cells.to_numpy() - 1).astype(np.int64)


def _count_overlap(
    week_of: npt.NDArray[np.int64], made: npt.NDArray[np.int64], public: npt.NDArray[np.int64]
) -> int:
    """Later weeks in which a forecast was made before an earlier one's outcome was public."""
    # Instants before 1970 are negative.
    latest = np.full(int(week_of.max()) + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, week_of, made)
    return int(max(0, np.max(np.searchsorted(latest, public) - 1 - week_of)))


def select_common(losses: pl.DataFrame, recipes: Sequence[str]) -> pl.DataFrame:
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
