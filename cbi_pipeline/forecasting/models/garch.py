"""GARCH(1,1) and GJR-GARCH with Student-t shocks: filtered forward, the way ahead tabulated."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from cbi_pipeline.forecasting.config import Json
from cbi_pipeline.forecasting.declarations import FileName
from cbi_pipeline.forecasting.models.model import Absence, Floats, Forecasts, Rows, by_commodity
from cbi_pipeline.forecasting.models.quantile_table import QuantileTable
from cbi_pipeline.forecasting.models.recipe import StatisticalRecipe
from cbi_pipeline.forecasting.models.returns import PERCENT, Returns
from cbi_pipeline.forecasting.models.statistical import StatisticalModel
from cbi_pipeline.forecasting.panel import Panel, PanelSpec


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
    """Variance equation of percent returns: omega + (alpha + gamma [r < 0]) r^2 + beta variance.

    Shocks are Student's t of `degrees` degrees of freedom, scaled to unit variance.
    """

    omega: float
    alpha: float
    gamma: float
    beta: float
    degrees: float

    @property
    def persistence(self) -> float:
        """Share of a variance that is left of it a session later, in expectation."""
        return self.alpha + self.gamma / 2.0 + self.beta

    @property
    def start(self) -> float:
        """Variance that the filter starts from: the unconditional one."""
        return self.omega / (1.0 - self.persistence)

    def next(self, variance: float, shock: float) -> float:
        """Variance of the following session."""
        leverage = self.alpha + self.gamma * (shock < 0.0)
        return self.omega + leverage * shock**2 + self.beta * variance

    def filter(self, returns: Floats) -> Floats:
        """Variance of each session, the one that follows the last return included; [N + 1]."""
        variance = [self.start]
        for shock in returns.tolist():
            variance.append(self.next(variance[-1], shock))
        return np.array(variance)

    def expect(self, variance_N: Floats, steps: int) -> Floats:
        """Variance of the return over so many sessions, from that of the first of them; [N]."""
        total = np.zeros_like(variance_N)
        for _ in range(steps):
            total = total + variance_N
            variance_N = self.omega + self.persistence * variance_N
        return total


@dataclass(frozen=True, slots=True, eq=False)
class FittedGarch:
    """One commodity's variance equation, and the distributions that follow from it.

    Attributes:
        equation: its parameters.
        until: day of the refit whose returns it was fitted on; earlier than the model's own where
            no later fit came out.
        table: distributions over the horizons of its commodity, by starting variance.
    """

    equation: Parameters
    until: str
    table: QuantileTable


@dataclass(frozen=True, eq=False)
class TabulatedGarchModel(StatisticalModel):
    """Variances filtered up to each origin with the refit's parameters, and a table from there.

    It reads the panel's one-session returns: at each origin those of the rows up to it. A session
    first told late, or corrected later, changes none. The distribution over h sessions depends on
    the variance of the first of them alone, so it is looked up: nothing is simulated here.

    Attributes:
        fitted: by commodity that had history enough.
        rows: by commodity, its rows when it was fitted; a forecast reads no fewer.
    """

    fitted: Mapping[str, FittedGarch]
    rows: Mapping[str, int]
    recipe_type = GarchRecipe

    @property
    def history(self) -> Mapping[str, int]:
        """The whole record: the filter begins at its first return."""
        return self.rows

    def absences(self, panel: Panel, rows_N: Rows) -> Sequence[Absence]:
        """Every row of a commodity of which no variance equation could be fitted."""
        reason = "no variance equation could be fitted to the returns that were public then"
        return [
            Absence(commodity, rows, reason)
            for commodity, rows in by_commodity(panel, rows_N).items()
            if commodity not in self.fitted
        ]

    def predict(self, panel: Panel, rows_N: Rows) -> Forecasts:
        """Tabulated quantiles and probability of a rise, and the expected standard deviation."""
        self.check_axes(panel.spec)
        shape = (len(rows_N), len(panel.spec.horizons))
        q, up, vol = np.empty((*shape, len(self.recipe.levels))), np.empty(shape), np.empty(shape)
        steps = dict(zip(panel.spec.commodities, panel.spec.steps, strict=True))
        for commodity, rows in by_commodity(panel, rows_N).items():
            returns, fitted = Returns.of(panel, commodity), self.fitted[commodity]
            chosen = np.isin(rows_N, rows)
            variance = filter_at(fitted.equation, returns, rows)
            squares = [fitted.equation.expect(variance, ahead) for ahead in steps[commodity]]
            vol[chosen] = np.sqrt(np.stack(squares, axis=1)) / PERCENT
            units, up[chosen] = fitted.table.look_up(variance)
            q[chosen] = units * vol[chosen][..., None]
        return Forecasts(q, up, vol)

    def parameters(self) -> Json:
        """The variance equations with their tables, and the rows that were read."""
        fitted: dict[str, Json] = {
            name: {
                "equation": asdict(fit.equation),
                "until": fit.until,
                "table": fit.table.to_json(),
            }
            for name, fit in self.fitted.items()
        }
        return {"fitted": fitted, "rows": dict(self.rows)}

    @classmethod
    def of_parameters(cls, recipe: Any, spec: PanelSpec, parameters: Any, named: Any) -> Self:  # noqa: ANN401
        """The model of these variance equations."""
        fitted = {
            name: FittedGarch(
                Parameters(**fit["equation"]), fit["until"], QuantileTable.from_json(fit["table"])
            )
            for name, fit in parameters["fitted"].items()
        }
        return cls(recipe, spec, fitted, parameters["rows"], named=named)


def filter_at(equation: Parameters, returns: Returns, rows: Rows) -> Floats:
    """Variance of the session after each row's, from the returns up to it; [N]."""
    counts = returns.count_at(rows)
    return equation.filter(returns.percent[: counts.max()])[counts]
