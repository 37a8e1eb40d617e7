"""GARCH(1,1) and GJR-GARCH with Student-t shocks: what a volatility model of the textbook gives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from cbi_pipeline.evaluation.contenders import (
    Absence,
    Contender,
    Floats,
    Levels,
    Rows,
    by_commodity,
)
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.forecaster import Forecasts
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.recipe import DEFAULT_LEVELS

Ints = npt.NDArray[np.int64]
Variance = TypeVar("Variance", float, Floats)

PATHS = 4_000
SEED = 20_240_615
FEWEST_RETURNS = 250
# arch fits best when returns are of order one; forecasts are scaled back.
PERCENT = 100.0


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


@dataclass(frozen=True)
class Garch(Contender):
    """A GARCH(1,1) without mean, fitted per commodity at each refit and filtered in between.

    It reads the panel's one-session returns: at a refit those of the rows decided by then, at each
    origin those of the rows up to it. A session first told late, or corrected later, changes none.
    Quantiles over h sessions come from simulated paths of Student-t shocks, each with its mirror
    image (so that plain GARCH has no change as its median), with the same random numbers at every
    origin.

    Attributes:
        kind: "garch", or "gjr" with a term for falls (Glosten, Jagannathan and Runkle, 1993).
        levels: quantile levels.
    """

    kind: Literal["garch", "gjr"] = "garch"
    levels: Levels = DEFAULT_LEVELS

    @property
    def name(self) -> str:
        """Name in the tables."""
        return f"{self.kind}_t"

    def identity(self) -> str:
        """Hash of name, levels, number of paths and seed."""
        return hashlib.sha256(f"{self.name} {self.levels} {PATHS} {SEED}".encode()).hexdigest()

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Every row of a commodity of which fewer than 250 returns were public at the refit."""
        absent = []
        for commodity, rows in by_commodity(panel, fold.test_rows).items():
            count = len(Returns.of(panel, commodity).until(fold.refit_at_us))
            if count < FEWEST_RETURNS:
                reason = (
                    f"{count} returns were public at the refit of {fold.name}, "
                    f"it needs {FEWEST_RETURNS}"
                )
                absent.append(Absence(commodity, rows, reason))
        return absent

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Simulated quantiles, probability of a rise and standard deviation at each test row."""
        shape = (len(fold.test_rows), len(panel.spec.horizons))
        q, up, vol = np.empty((*shape, len(self.levels))), np.empty(shape), np.empty(shape)
        steps = dict(zip(panel.spec.commodities, panel.spec.steps, strict=True))
        for commodity, rows in by_commodity(panel, fold.test_rows).items():
            returns = Returns.of(panel, commodity)
            fitted = self._fit(returns.until(fold.refit_at_us))
            chosen = np.isin(fold.test_rows, rows)
            sums = _simulate(fitted, _filtered(fitted, returns, rows), steps[commodity])
            for h, total in enumerate(sums):
                q[chosen, h] = np.quantile(total, self.levels, axis=1).T
                up[chosen, h], vol[chosen, h] = (total > 0.0).mean(axis=1), total.std(axis=1)
        return Forecasts(q / PERCENT, up, vol / PERCENT)

    def _fit(self, percent: Floats) -> Parameters:
        from arch import arch_model  # takes a second to import, and most runs fit no GARCH

        order = 1 if self.kind == "gjr" else 0
        model = arch_model(percent, mean="Zero", vol="GARCH", p=1, o=order, q=1, dist="t")
        fit = model.fit(disp="off", show_warning=False)
        found = fit.params
        gamma = float(found["gamma[1]"]) if order else 0.0
        return Parameters(
            float(found["omega"]), float(found["alpha[1]"]), gamma, float(found["beta[1]"]),
            float(found["nu"]),
        )  # fmt: skip


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
    decision: Ints
    percent: Floats

    @classmethod
    def of(cls, panel: Panel, commodity: str) -> Returns:
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


def garch_baselines() -> tuple[Garch, Garch]:
    """GARCH(1,1)-t and GJR-GARCH-t."""
    return Garch(), Garch("gjr")
