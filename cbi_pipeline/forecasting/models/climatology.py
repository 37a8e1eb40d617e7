"""Climatology: the empirical distribution of a commodity's own past returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from cbi_pipeline.forecasting.config import Json
from cbi_pipeline.forecasting.declarations import FileName
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted
from cbi_pipeline.forecasting.models.model import (
    Absence,
    Floats,
    Forecasts,
    Rows,
    by_commodity,
    count_rows,
)
from cbi_pipeline.forecasting.models.recipe import StatisticalRecipe
from cbi_pipeline.forecasting.models.statistical import StatisticalModel
from cbi_pipeline.forecasting.panel import Panel, PanelSpec

if TYPE_CHECKING:
    from cbi_pipeline.forecasting.records import EpochRecord

# Past returns that an empirical distribution needs before its 5 % and 95 % quantiles mean much.
FEWEST_RETURNS = 40


@dataclass(frozen=True, kw_only=True)
class ClimatologyRecipe(StatisticalRecipe, kind="climatology"):
    """Empirical quantiles of all the commodity's own past returns over the same horizon.

    Attributes:
        name: for people, tables and folders; part of the identity.
        feature_set: always "none": it reads prices alone.
        levels: quantile levels, strictly increasing in (0, 1).
    """

    name: FileName = "climatology"


@dataclass(frozen=True, eq=False)
class ClimatologyModel(StatisticalModel):
    """Quantiles of the returns known at each origin.

    Expanding: at each origin, all returns between rows decided by its instant, each price as known
    when its own row was. Quantiles by rank / (n + 1) with linear interpolation, which cover
    exchangeable returns exactly.

    Attributes:
        rows: by commodity, its rows when it was fitted; a forecast reads no fewer.
    """

    rows: Mapping[str, int]
    recipe_type = ClimatologyRecipe

    @property
    def history(self) -> Mapping[str, int]:
        """The whole record: every return counts."""
        return self.rows

    def absences(self, panel: Panel, rows_N: Rows) -> Sequence[Absence]:
        """Rows at which fewer than 40 past returns were public at one of the horizons."""
        return find_young(panel, rows_N)

    def predict(self, panel: Panel, rows_N: Rows) -> Forecasts:
        """Quantiles, share of rises and standard deviation of the returns known at each origin."""
        self.check_axes(panel.spec)
        levels, shape = self.recipe.levels, (len(rows_N), len(panel.spec.horizons))
        q, up, vol = np.empty((*shape, len(levels))), np.empty(shape), np.empty(shape)
        for commodity, rows in by_commodity(panel, rows_N).items():
            at = np.flatnonzero(np.isin(rows_N, rows))
            for h, (past, counts) in enumerate(Pasts.of(panel, commodity).count(rows)):
                q[at, h] = quantiles_of_firsts(past, counts, np.asarray(levels))
                up[at, h] = [np.mean(past[:count] > 0.0) for count in counts]
                vol[at, h] = [np.std(past[:count], ddof=1) for count in counts]
        return Forecasts(q, up, vol)

    def parameters(self) -> Json:
        """The rows that it counts; the returns are the panel's."""
        return {"rows": dict(self.rows)}

    @classmethod
    def of_parameters(cls, recipe: Any, spec: PanelSpec, parameters: Any, named: Any) -> Self:  # noqa: ANN401
        """The model that counts these rows."""
        return cls(recipe, spec, parameters["rows"], named=named)


@dataclass(frozen=True)
class Climatology(Estimator):
    """Nothing is fitted: the record speaks."""

    recipe: ClimatologyRecipe = field(default_factory=ClimatologyRecipe)
    recipe_type = ClimatologyRecipe

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Rows at which fewer than 40 past returns were public at one of the horizons."""
        return find_young(panel, fold.test_rows)

    def fit(
        self,
        panel: Panel,
        fold: Fold,
        *,
        checkpoints: Path | None = None,
        on_epoch: "Callable[[EpochRecord], None] | None" = None,
    ) -> Fitted:
        """The model on these axes."""
        rows = count_rows(panel, fold.refit_at_us)
        return Fitted(ClimatologyModel(self.recipe, panel.spec, rows))


def find_young(panel: Panel, rows_N: Rows) -> Sequence[Absence]:
    """Rows at which fewer than 40 past returns were public at one of the horizons."""
    absent = []
    for commodity, rows in by_commodity(panel, rows_N).items():
        counts = np.stack([counts for _, counts in Pasts.of(panel, commodity).count(rows)], axis=1)
        if (short := counts.min(axis=1) < FEWEST_RETURNS).any():
            fewest = counts[short][-1]
            reason = (
                f"{fewest.min()} past returns at {panel.spec.horizons[fewest.argmin()]} were "
                f"public at its last such origin, it needs {FEWEST_RETURNS}"
            )
            absent.append(Absence(commodity, rows[short], reason))
    return absent


@dataclass(frozen=True, slots=True, eq=False)
class Pasts:
    """One commodity's returns over each horizon, from row to row.

    Attributes:
        first: the commodity's first row of the panel.
        decision: int64 [N], instants of its rows, microseconds UTC, non-decreasing.
        steps: [H], sessions ahead.
        returns: [H] float64 [N - steps], NaN unless both prices are positive.
    """

    first: int
    decision: NDArray[np.int64]
    steps: tuple[int, ...]
    returns: tuple[Floats, ...]

    @classmethod
    def of(cls, panel: Panel, commodity: str) -> "Pasts":
        """The returns of a commodity of the panel."""
        code = panel.spec.commodities.index(commodity)
        rows = np.flatnonzero(panel.commodity_R.cpu().numpy() == code)
        price = panel.price_R.numpy()[rows]
        level = np.log(np.where(price > 0.0, price, np.nan))
        steps = panel.spec.steps[code]
        # Rounded as the panel's targets are, which hold returns in single precision.
        returns = ((level[h:] - level[:-h]).astype(np.float32).astype(np.float64) for h in steps)
        decision = panel.decision_at_R.cpu().numpy()[rows]
        return cls(int(rows[0]), decision, steps, tuple(returns))

    def count(self, rows: Rows) -> list[tuple[Floats, NDArray[np.int64]]]:
        """Per horizon all returns in order of origins, and how many of them each row knew.

        A row knows those between rows that were decided by its instant.

        Args:
            rows: int64 [N], the commodity's rows of the panel.

        Returns:
            [H] of returns without NaN, and int64 [N] counts of the first of them.
        """
        decided = np.searchsorted(self.decision, self.decision[rows - self.first], side="right")
        counted = []
        for steps, returns in zip(self.steps, self.returns, strict=True):
            is_return = ~np.isnan(returns)
            before = np.concatenate([[0], np.cumsum(is_return)])
            counted.append((returns[is_return], before[np.maximum(decided - steps, 0)]))
        return counted


def quantiles_of_firsts(
    values: Floats, counts: NDArray[np.int64], levels: Floats
) -> NDArray[np.float64]:
    """Quantiles of the first so many of some values, for many such numbers at once.

    To the bit what ``np.quantile(values[:count], levels, method="weibull")`` gives: Hyndman and Fan
    (1996), definition 6. What is added from one number to the next is put into an order that stays.

    Args:
        values: float64, none of them NaN.
        counts: int64 [N], positive, in any order.
        levels: [Q], in (0, 1).

    Returns:
        float64 [N, Q].
    """
    q = np.empty((len(counts), len(levels)))
    ordered = np.empty(0)
    for n in np.argsort(counts, kind="stable"):
        fresh = np.sort(values[len(ordered) : counts[n]])
        ordered = np.insert(ordered, np.searchsorted(ordered, fresh), fresh)
        q[n] = _interpolate(ordered, levels)
    return q


def _interpolate(ordered: Floats, levels: Floats) -> Floats:
    """Quantiles of values in order, with numpy's own order of operations."""
    last = len(ordered) - 1
    position = len(ordered) * levels + levels - 1
    below = np.floor(position).astype(np.int64)
    low, high = ordered[np.clip(below, 0, last)], ordered[np.clip(below + 1, 0, last)]
    high = np.where(position < 0, low, high)
    share, step = position - below, high - low
    return np.where(share >= 0.5, high - step * (1 - share), low + step * share)
