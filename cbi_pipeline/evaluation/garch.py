"""GARCH(1,1) and GJR-GARCH with Student-t shocks: what a volatility model of the textbook gives."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.forecaster import Forecasts
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.recipe import DEFAULT_LEVELS

Floats = npt.NDArray[np.float64]
Levels = tuple[float, ...]

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

    def next(self, variance: Floats, shock: Floats) -> Floats:
        """Variance of the following session."""
        leverage = self.alpha + self.gamma * (shock < 0.0)
        return self.omega + leverage * shock**2 + self.beta * variance


@dataclass(frozen=True)
class Garch:
    """A GARCH(1,1) without mean, fitted per commodity at each refit and filtered in between.

    Quantiles over h sessions come from simulated paths of Student-t shocks, each with its mirror
    image (so that plain GARCH has no change as its median), with the same random numbers at every
    origin.

    Attributes:
        prices: ``market.price`` rows of all versions; the first version of each session is used,
            from its release on. They are the prices the panel was made from, so the panel's own
            content tells when a finished fold has to be computed again.
        kind: "garch", or "gjr" with a term for falls (Glosten, Jagannathan and Runkle, 1993).
        levels: quantile levels.
    """

    prices: pl.DataFrame = field(repr=False, compare=False)
    kind: Literal["garch", "gjr"] = "garch"
    levels: Levels = DEFAULT_LEVELS

    @property
    def name(self) -> str:
        """Name in the tables."""
        return f"{self.kind}_t"

    def identity(self) -> str:
        """Hash of name, levels, number of paths and seed."""
        return hashlib.sha256(f"{self.name} {self.levels} {PATHS} {SEED}".encode()).hexdigest()

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Simulated quantiles, probability of a rise and standard deviation at each test row.

        Raises:
            ValueError: fewer than 250 returns are known at the refit.
        """
        shape = (len(fold.test_rows), len(panel.spec.horizons))
        q, up, vol = np.empty((*shape, len(self.levels))), np.empty(shape), np.empty(shape)
        commodity = panel.commodity_R.cpu().numpy()[fold.test_rows]
        for c in np.unique(commodity):
            history = History.of(self.prices, panel.spec.commodities[c])
            fitted = self._fit(history, fold.refit_at_us)
            chosen = np.flatnonzero(commodity == c)
            variances = _filtered(fitted, history, panel, fold.test_rows[chosen])
            steps = panel.spec.steps[c]
            sums = _simulate(fitted, variances, steps)
            for h in range(len(steps)):
                q[chosen, h] = np.quantile(sums[h], self.levels, axis=1).T
                up[chosen, h], vol[chosen, h] = (sums[h] > 0.0).mean(axis=1), sums[h].std(axis=1)
        return Forecasts(q / PERCENT, up, vol / PERCENT)

    def _fit(self, history: History, refit_at_us: int) -> Parameters:
        returns = history.returns[history.public[1:] <= refit_at_us]
        if len(returns) < FEWEST_RETURNS:
            raise ValueError(
                f"{self.name} of {history.commodity} knows {len(returns)} returns at its refit, "
                f"needs {FEWEST_RETURNS}; evaluate fewer years or load more history"
            )
        from arch import arch_model  # takes a second to import, and most runs fit no GARCH

        order = 1 if self.kind == "gjr" else 0
        model = arch_model(returns, mean="Zero", vol="GARCH", p=1, o=order, q=1, dist="t")
        fit = model.fit(disp="off", show_warning=False)
        found = fit.params
        gamma = float(found["gamma[1]"]) if order else 0.0
        return Parameters(
            float(found["omega"]), float(found["alpha[1]"]), gamma, float(found["beta[1]"]),
            float(found["nu"]),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class History:
    """First releases of one commodity's prices, by session.

    Attributes:
        commodity: its id.
        session: days since 1970-01-01, [N]; sessions with a price that is not positive, which
            has no log return, are left out.
        public: microseconds UTC from which each price and all before it were public, [N].
        returns: percent log returns between these sessions, [N - 1].
    """

    commodity: str
    session: npt.NDArray[np.int64]
    public: npt.NDArray[np.int64]
    returns: Floats

    @classmethod
    def of(cls, prices: pl.DataFrame, commodity: str) -> History:
        """The history of a commodity in ``market.price`` rows."""
        first = prices.filter(pl.col("commodity") == commodity, pl.col("version") == 1)
        first = first.filter(pl.col("price") > 0.0).sort("session")
        level = first["price"].to_numpy()
        return cls(
            commodity,
            first["session"].to_physical().to_numpy().astype(np.int64),
            np.maximum.accumulate(first["available_at"].to_physical().to_numpy()),
            PERCENT * np.diff(np.log(level)),
        )


def _filtered(
    fitted: Parameters, history: History, panel: Panel, rows: npt.NDArray[np.int64]
) -> Floats:
    """Variance of the session after each row's, from the returns public at its instant; [N]."""
    variance = np.empty(len(history.session))
    variance[0] = fitted.start
    for t, shock in enumerate(history.returns):
        variance[t + 1] = fitted.next(variance[t], shock)
    known = np.searchsorted(history.public, panel.decision_at_R.cpu().numpy()[rows], side="right")
    session = np.searchsorted(history.session, panel.session_R.cpu().numpy()[rows], side="right")
    found: Floats = variance[np.minimum(known, session) - 1]
    return found


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


def garch_baselines(prices: pl.DataFrame) -> tuple[Garch, Garch]:
    """GARCH(1,1)-t and GJR-GARCH-t on the given prices."""
    return Garch(prices), Garch(prices, "gjr")
