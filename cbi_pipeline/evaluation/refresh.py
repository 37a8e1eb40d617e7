"""The nightly refresh: the champion recipe trained again, accepted when it is no worse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from cbi_pipeline.evaluation.comparison import compare
from cbi_pipeline.evaluation.groups import Group, group
from cbi_pipeline.evaluation.losses import INTERVALS, column_of, crps, share_levels
from cbi_pipeline.forecasting.models.model import Forecasts
from cbi_pipeline.forecasting.models.recipe import ModelRecipe
from cbi_pipeline.forecasting.panel import Panel
from data_contracts.core import UTC_MICROSECONDS

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

# A refresh may cost at most this share of the standing model's CRPS, and this much coverage.
CRPS_MARGIN = 0.02
COVERAGE_MARGIN = 0.05
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Refresh:
    """Whether a refreshed model may take over, and the figures.

    Attributes:
        accepted: True when it is shown to be no worse than the margins.
        reason: in words.
        increase: CRPS of the new model over the standing one, minus one, mean over the cells.
        at_most: upper end of its one-sided 95 % interval.
        coverage: share of returns in the new model's 80 % interval.
        current_coverage: the same of the standing model.
    """

    accepted: bool
    reason: str
    increase: float
    at_most: float
    coverage: float
    current_coverage: float


class Version(Protocol):
    """What is compared: a recipe's forecasts of rows."""

    @property
    def recipe(self) -> ModelRecipe:
        """Its recipe."""
        ...

    def predict(self, panel: Panel, rows: Rows) -> Forecasts:
        """Its forecasts."""
        ...


def judge_refresh(new: Version, current: Version, panel: Panel, rows: Rows) -> Refresh:
    """Compare tonight's model with the standing one on rows that neither was trained on.

    Args:
        new: the champion recipe, trained tonight.
        current: the model in use.
        panel: today's panel.
        rows: ready rows that both read, of the validation rows of tonight's training.

    Raises:
        ValueError: no row has a known target.
    """
    levels = share_levels([new.recipe.levels, current.recipe.levels])
    table = pl.concat(
        [
            _losses(panel, rows, name, levels, _predict_at(levels, model, panel, rows))
            for name, model in (("new", new), ("standing", current))
        ]
    )
    if table.is_empty():
        raise ValueError("none of the rows has a known target; refresh on older rows")
    return _judge(group(table))


def _judge(group: Group) -> Refresh:
    difference = -group.difference("new", "standing")
    increase = float(difference.mean())
    at_most = _upper(difference, group.lags)
    coverage, before = (
        float(group.sums(name, "covered_80").mean() / group.sums(name, None).mean())
        for name in ("new", "standing")
    )
    missed, missed_before = abs(coverage - 0.8), abs(before - 0.8)
    covers = missed <= max(missed_before, COVERAGE_MARGIN) + 1e-12
    accepted = at_most <= CRPS_MARGIN and covers
    reason = (
        f"{'Accepted' if accepted else 'Refused'}: CRPS {increase:+.2%} against the standing "
        f"model, at most {at_most:+.2%} (margin {CRPS_MARGIN:.0%}); 80 % intervals hold "
        f"{coverage:.1%} of returns, {before:.1%} before."
    )
    return Refresh(accepted, reason, increase, at_most, coverage, before)


def _upper(difference: Floats, lags: int) -> float:
    if not difference.any():
        return 0.0
    if len(difference) <= 2 * (lags + 1):
        return float("inf")
    test = compare(difference, lags).cosine
    return float(difference.mean() + stats.t.isf(LEVEL, test.degrees) * test.error)


def _predict_at(levels: tuple[float, ...], model: Version, panel: Panel, rows: Rows) -> Floats:
    """Quantiles [N, H, Q] of a model at some of its levels."""
    own = np.array(model.recipe.levels)
    chosen = [column_of(own, level) for level in levels]
    quantiles: Floats = model.predict(panel, rows).q_NHQ[..., chosen]
    return quantiles


def _losses(
    panel: Panel, rows: Rows, name: str, levels: tuple[float, ...], q_NHQ: Floats
) -> pl.DataFrame:
    valued = np.argwhere(panel.target_mask_RH.cpu().numpy()[rows])
    n, h = valued[:, 0], valued[:, 1]
    row = rows[n]
    y = panel.target_RH.cpu().numpy()[row, h].astype(np.float64)
    q, grid = q_NHQ[n, h], np.array(levels)
    low, high = (q[:, column_of(grid, level)] for level in INTERVALS[80])
    commodity = panel.commodity_R.cpu().numpy()[row]
    frame = pl.DataFrame(
        {
            "recipe": [name] * len(y),
            "commodity": [panel.spec.commodities[c] for c in commodity],
            "horizon": [panel.spec.horizons[i] for i in h],
            "as_of": pl.Series(panel.decision_at_R.cpu().numpy()[row]).cast(UTC_MICROSECONDS),
            "known_at": pl.Series(panel.target_available_RH.cpu().numpy()[row, h]).cast(
                UTC_MICROSECONDS
            ),
            "crps": crps(q, grid, y),
            "covered_80": ((low <= y) & (y <= high)).astype(np.float64),
        }
    )
    return frame.with_columns(week=pl.col("as_of").dt.truncate("1w").dt.date())
