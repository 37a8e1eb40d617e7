"""A heterogeneous autoregression of scale on absolute returns, pooled over commodities.

After Corsi (2009), direct per horizon: how far a price moves over h sessions, in units of its usual
move, depends on its mean absolute return over the last 1, 5, 22, 66 and 252 sessions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from cbi_pipeline.forecasting import student
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
from cbi_pipeline.forecasting.models.returns import PERCENT, Returns
from cbi_pipeline.forecasting.models.statistical import StatisticalModel
from cbi_pipeline.forecasting.panel import Panel, PanelSpec

if TYPE_CHECKING:
    from cbi_pipeline.forecasting.records import EpochRecord

WINDOWS = (1, 5, 22, 66, 252)
FEWEST_RETURNS = 252
# Added to a mean absolute return in units of the usual one: a day without a move is no abyss.
OFFSET = 0.1
# In independent outcomes: a commodity's own level, and the slopes, weigh against so many of them.
OWN_RIDGE, SLOPE_RIDGE = 20.0, 5.0
# Scales outside these quantiles of those of the training rows are cut to them.
CLIP = (0.001, 0.999)
ITERATIONS = 60
DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class HarRecipe(StatisticalRecipe, kind="har"):
    """Scales from mean absolute returns over 1, 5, 22, 66 and 252 sessions, pooled.

    Attributes:
        name: for people, tables and folders; part of the identity.
        feature_set: always "none": it reads prices alone.
        levels: quantile levels, strictly increasing in (0, 1).
    """

    name: FileName = "har"


@dataclass(frozen=True, slots=True)
class Scale:
    """Log standard deviation over one horizon, in usual moves times the root of the sessions.

    Attributes:
        slopes: of the five terms, shared by all commodities.
        level: by commodity.
        lowest: to which a lower one is cut.
        highest: to which a higher one is cut.
    """

    slopes: tuple[float, ...]
    level: Mapping[str, float]
    lowest: float
    highest: float

    def at(self, commodity: str, terms_N5: Floats) -> Floats:
        """The log scales at some rows of a commodity, [N]."""
        logs = self.level[commodity] + terms_N5 @ np.array(self.slopes)
        clipped: Floats = np.clip(logs, self.lowest, self.highest)
        return clipped


@dataclass(frozen=True, eq=False)
class HarModel(StatisticalModel):
    """No change, with a scale from the absolute returns up to each origin and Student-t quantiles.

    Attributes:
        scales: per horizon.
        rows: by commodity, its rows when it was fitted; a forecast reads no fewer.
    """

    scales: tuple[Scale, ...]
    rows: Mapping[str, int]
    recipe_type = HarRecipe

    @property
    def history(self) -> Mapping[str, int]:
        """The whole record: the usual move is a mean over it."""
        return self.rows

    def absences(self, panel: Panel, rows_N: Rows) -> Sequence[Absence]:
        """Every row of a commodity that had too little history to be fitted."""
        reason = f"fewer than {FEWEST_RETURNS} returns were public when the model was fitted"
        return [
            Absence(commodity, rows, reason)
            for commodity, rows in by_commodity(panel, rows_N).items()
            if any(commodity not in scale.level for scale in self.scales)
        ]

    def predict(self, panel: Panel, rows_N: Rows) -> Forecasts:
        """Quantiles around zero; `up` is one half, so no direction is called."""
        self.check_axes(panel.spec)
        vol = np.empty((len(rows_N), len(panel.spec.horizons)))
        for commodity, rows in by_commodity(panel, rows_N).items():
            usual, terms = _describe(Returns.of(panel, commodity), rows)
            steps = panel.spec.steps[panel.spec.commodities.index(commodity)]
            logs = np.stack([scale.at(commodity, terms) for scale in self.scales], axis=1)
            vol[np.isin(rows_N, rows)] = usual[:, None] * np.sqrt(steps) * np.exp(logs) / PERCENT
        shape = student.quantiles(self.recipe.levels).numpy()
        return Forecasts(vol[..., None] * shape, np.full(vol.shape, 0.5), vol)

    def parameters(self) -> Json:
        """The scales, and the rows that were read."""
        scales: list[Json] = [
            {
                "slopes": list(scale.slopes),
                "level": dict(scale.level),
                "lowest": scale.lowest,
                "highest": scale.highest,
            }
            for scale in self.scales
        ]
        return {"scales": scales, "rows": dict(self.rows)}

    @classmethod
    def of_parameters(cls, recipe: Any, spec: PanelSpec, parameters: Any, named: Any) -> Self:  # noqa: ANN401
        """The model of these scales."""
        scales = (
            Scale(**tree | {"slopes": tuple(tree["slopes"])}) for tree in parameters["scales"]
        )
        return cls(recipe, spec, tuple(scales), parameters["rows"], named=named)


@dataclass(frozen=True)
class Har(Estimator):
    """One regression per horizon, on every outcome that was public at the refit."""

    recipe: HarRecipe = field(default_factory=HarRecipe)
    recipe_type = HarRecipe

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Every row of a commodity without 252 returns or without an outcome after them."""
        sets = [_collect(panel, fold, h) for h in range(len(panel.spec.horizons))]
        return [
            Absence(commodity, rows, _explain(panel, fold, commodity))
            for commodity, rows in by_commodity(panel, fold.test_rows).items()
            if any(commodity not in outcomes for outcomes in sets)
        ]

    def fit(
        self,
        panel: Panel,
        fold: Fold,
        *,
        checkpoints: Path | None = None,
        on_epoch: "Callable[[EpochRecord], None] | None" = None,
    ) -> Fitted:
        """The scales of every commodity that has outcomes."""
        horizons = range(len(panel.spec.horizons))
        scales = tuple(_fit_scale(_collect(panel, fold, h)) for h in horizons)
        rows = count_rows(panel, fold.refit_at_us)
        return Fitted(HarModel(self.recipe, panel.spec, scales, rows))


@dataclass(frozen=True, slots=True, eq=False)
class _Outcomes:
    """One commodity's outcomes over one horizon.

    Attributes:
        terms_N5: at their origins.
        ratio_N: outcomes in usual moves times the root of the sessions.
        weight: of each, the inverse of the sessions: outcomes overlap.
    """

    terms_N5: Floats
    ratio_N: Floats
    weight: float


def _collect(panel: Panel, fold: Fold, horizon: int) -> dict[str, _Outcomes]:
    """Outcomes that were public at the refit, by commodity that has any."""
    is_public = panel.target_mask_RH[:, horizon] & (
        panel.target_available_RH[:, horizon] <= fold.refit_at_us
    )
    collected = {}
    rows = np.flatnonzero((is_public & panel.ready_R).cpu().numpy())
    for commodity, own in by_commodity(panel, rows).items():
        returns = Returns.of(panel, commodity)
        own = own[returns.count_at(own) >= FEWEST_RETURNS]
        if not own.size:
            continue
        steps = panel.spec.steps[panel.spec.commodities.index(commodity)][horizon]
        usual, terms = _describe(returns, own)
        target = PERCENT * panel.target_RH.cpu().numpy()[own, horizon].astype(np.float64)
        collected[commodity] = _Outcomes(terms, target / (usual * np.sqrt(steps)), 1.0 / steps)
    return collected


def _describe(returns: Returns, rows: Rows) -> tuple[Floats, Floats]:
    """The usual move [N] in percent, and the terms [N, 5], from the returns up to each row."""
    sums = np.concatenate([[0.0], np.cumsum(np.abs(returns.percent))])
    count = returns.count_at(rows)
    usual = np.maximum(sums[count] / count, 1e-9)
    means = [(sums[count] - sums[np.maximum(count - n, 0)]) / np.minimum(n, count) for n in WINDOWS]
    terms = np.stack(means, axis=1) / usual[:, None]
    return usual, np.log((terms + OFFSET) / (1.0 + OFFSET))


def _fit_scale(outcomes: Mapping[str, _Outcomes]) -> Scale:
    """The scale of the largest likelihood of Student-t outcomes, with ridges, by Fisher scoring.

    Parameters are five slopes, a common level and each commodity's deviation from it.
    """
    if not outcomes:
        return Scale((0.0,) * len(WINDOWS), {}, 0.0, 0.0)
    design = np.concatenate([_design(outcomes, name) for name in outcomes])
    ratio = np.concatenate([own.ratio_N for own in outcomes.values()])
    weight = np.concatenate([np.full(len(own.ratio_N), own.weight) for own in outcomes.values()])
    ridge = np.array([SLOPE_RIDGE] * len(WINDOWS) + [1e-6] + [OWN_RIDGE] * len(outcomes))
    degrees = student.DEGREES
    information = 2.0 * degrees / (degrees + 3.0)
    hessian = information * (design.T * weight) @ design + np.diag(ridge)
    beta = np.zeros(design.shape[1])
    for _ in range(ITERATIONS):
        squares = (ratio / np.exp(design @ beta)) ** 2 / (degrees - 2.0)
        score = (degrees + 1.0) * squares / (1.0 + squares) - 1.0
        beta += np.linalg.solve(hessian, design.T @ (weight * score) - ridge * beta)
    return _scale(beta, design, list(outcomes))


def _design(outcomes: Mapping[str, _Outcomes], name: str) -> Floats:
    terms = outcomes[name].terms_N5
    own = np.array([float(other == name) for other in outcomes])
    return np.concatenate([terms, np.ones((len(terms), 1)), np.tile(own, (len(terms), 1))], axis=1)


def _scale(beta: Floats, design: Floats, names: list[str]) -> Scale:
    """The fitted scale to six digits, which an optimiser's last bits do not reach."""
    rounded = np.round(beta, DIGITS)
    lowest, highest = np.round(np.quantile(design @ rounded, CLIP), DIGITS).tolist()
    slopes, common, own = np.split(rounded, [len(WINDOWS), len(WINDOWS) + 1])
    level = dict(zip(names, np.round(common + own, DIGITS).tolist(), strict=True))
    return Scale(tuple(slopes.tolist()), level, lowest, highest)


def _explain(panel: Panel, fold: Fold, commodity: str) -> str:
    count = len(Returns.of(panel, commodity).until(fold.refit_at_us))
    return (
        f"{count} returns were public at the refit of {fold.name}; it needs {FEWEST_RETURNS} "
        "and an outcome of every horizon after them"
    )
