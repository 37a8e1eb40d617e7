"""GARCH(1,1) and GJR-GARCH with Student-t shocks: filtered forward, simulated ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from cbi_pipeline.forecasting.config import Json
from cbi_pipeline.forecasting.declarations import FileName
from cbi_pipeline.forecasting.models.model import Absence, Floats, Forecasts, Rows, by_commodity
from cbi_pipeline.forecasting.models.recipe import StatisticalRecipe
from cbi_pipeline.forecasting.models.statistical import StatisticalModel
from cbi_pipeline.forecasting.panel import Panel, PanelSpec

Variance = TypeVar("Variance", float, Floats)

PATHS = 4_000
SEED = 20_240_615
FEWEST_RETURNS = 250
# Variances are of percent returns: an optimiser fits best when numbers are of order one.
PERCENT = 100.0


@dataclass(frozen=True, kw_only=True)
class GarchRecipe(StatisticalRecipe, kind="garch"):
    """A GARCH(1,1) without mean, with Student-t shocks, per commodity.

    Attributes:
        name: for people, tables and folders; part of the identity.
        feature_set: always "none": it reads prices alone.
        levels: quantile levels, strictly increasing in (0, 1).
        asymmetric: with a term for falls (Glosten, Jagannathan and Runkle, 1993).
    """

    name: FileName = "garch_t"
    asymmetric: bool = False


@dataclass(frozen=True, slots=True)
class Parameters:
    """Variance equation of percent returns: omega + (alpha + gamma [r < 0]) r^2 + beta variance."""

    omega: float
    alpha: float
    gamma: float
    beta: float
    degrees: float

    @property
    def start(self) -> float:
        """Unconditional variance where there is one, else that of a slightly shorter memory."""
        persistence = min(self.alpha + self.gamma / 2.0 + self.beta, 0.999)
        return self.omega / (1.0 - persistence)

    def next(self, variance: Variance, shock: Variance) -> Variance:
        """Variance of the following session."""
        leverage = self.alpha + self.gamma * (shock < 0.0)
        return self.omega + leverage * shock**2 + self.beta * variance


@dataclass(frozen=True, eq=False)
class GarchModel(StatisticalModel):
    """Variances filtered up to each origin with the parameters of the refit, and paths from there.

    It reads the panel's one-session returns: at each origin those of the rows up to it. A session
    first told late, or corrected later, changes none. Quantiles over h sessions come from simulated
    paths of Student-t shocks, each with its mirror image (so that plain GARCH has no change as its
    median), with the same random numbers at every origin.

    Attributes:
        fitted: by commodity that had history enough.
        rows: by commodity, its rows when it was fitted; a forecast reads no fewer.
    """

    fitted: Mapping[str, Parameters]
    rows: Mapping[str, int]
    recipe_type = GarchRecipe

    @property
    def history(self) -> Mapping[str, int]:
        """The whole record: the filter begins at its first return."""
        return self.rows

    def absences(self, panel: Panel, rows_N: Rows) -> Sequence[Absence]:
        """Every row of a commodity that had too little history to be fitted."""
        reason = f"fewer than {FEWEST_RETURNS} returns were public when the model was fitted"
        return [
            Absence(commodity, rows, reason)
            for commodity, rows in by_commodity(panel, rows_N).items()
            if commodity not in self.fitted
        ]

    def predict(self, panel: Panel, rows_N: Rows) -> Forecasts:
        """Simulated quantiles, probability of a rise and standard deviation at each row."""
        self.check_axes(panel.spec)
        levels, shape = self.recipe.levels, (len(rows_N), len(panel.spec.horizons))
        q, up, vol = np.empty((*shape, len(levels))), np.empty(shape), np.empty(shape)
        steps = dict(zip(panel.spec.commodities, panel.spec.steps, strict=True))
        for commodity, rows in by_commodity(panel, rows_N).items():
            returns, fitted = Returns.of(panel, commodity), self.fitted[commodity]
            chosen = np.isin(rows_N, rows)
            sums = _simulate(fitted, _filtered(fitted, returns, rows), steps[commodity])
            for h, total in enumerate(sums):
                q[chosen, h] = np.quantile(total, levels, axis=1).T
                up[chosen, h], vol[chosen, h] = (total > 0.0).mean(axis=1), total.std(axis=1)
        return Forecasts(q / PERCENT, up, vol / PERCENT)

    def parameters(self) -> Json:
        """The variance equations, and the rows that were read."""
        return {
            "fitted": {name: asdict(one) for name, one in self.fitted.items()},
            "rows": dict(self.rows),
        }

    @classmethod
    def of_parameters(cls, recipe: Any, spec: PanelSpec, parameters: Any, named: Any) -> Self:  # noqa: ANN401
        """The model of these variance equations."""
        fitted = {name: Parameters(**one) for name, one in parameters["fitted"].items()}
        return cls(recipe, spec, fitted, parameters["rows"], named=named)


@dataclass(frozen=True, slots=True, eq=False)
class Returns:
    """One commodity's returns over one session, each as known when its own row was decided on.

    A session at or below zero has no return into it and none out of it; what is absent is left out,
    and the returns on both sides follow on each other.

    Attributes:
        row: int64 [N], rows of the panel, ascending.
        decision: int64 [N], their instants, microseconds UTC, non-decreasing.
        percent: float64 [N], log returns in percent.
    """

    row: Rows
    decision: NDArray[np.int64]
    percent: Floats

    @classmethod
    def of(cls, panel: Panel, commodity: str) -> "Returns":
        """The returns of a commodity of the panel."""
        code = panel.spec.commodities.index(commodity)
        returns = panel.return_R.numpy()
        own = panel.commodity_R.cpu().numpy() == code
        row = np.flatnonzero(own & ~np.isnan(returns))
        return cls(row, panel.decision_at_R.cpu().numpy()[row], PERCENT * returns[row])

    def until(self, instant: int) -> Floats:
        """Those whose rows were decided on by an instant (microseconds UTC), [N]."""
        return self.percent[: np.searchsorted(self.decision, instant, side="right")]


def _filtered(fitted: Parameters, returns: Returns, rows: Rows) -> Floats:
    """Variance of the session after each row's, from the returns up to it; [N]."""
    counts = np.searchsorted(returns.row, rows, side="right")
    return _variances(fitted, returns.percent[: counts.max()])[counts]


def _variances(fitted: Parameters, returns: Floats) -> Floats:
    """Variance of each session, the one that follows the last return included; [N + 1]."""
    variance = [fitted.start]
    for shock in returns.tolist():
        variance.append(fitted.next(variance[-1], shock))
    return np.array(variance)


def _simulate(fitted: Parameters, variance: Floats, steps: tuple[int, ...]) -> list[Floats]:
    """Sums of simulated percent returns over each horizon, [N, 2 x PATHS] per horizon."""
    rng = np.random.default_rng(SEED)
    unit = np.sqrt((fitted.degrees - 2.0) / fitted.degrees)
    half = rng.standard_t(fitted.degrees, (max(steps), PATHS)) * unit
    shocks = np.concatenate([half, -half], axis=1)
    spread = np.repeat(variance[:, None], 2 * PATHS, axis=1)
    total, sums = np.zeros_like(spread), {}
    for step, unit_shock in enumerate(shocks, start=1):
        shock = np.sqrt(spread) * unit_shock
        total = total + shock
        spread = fitted.next(spread, shock)
        sums[step] = total
    return [sums[step] for step in steps]
