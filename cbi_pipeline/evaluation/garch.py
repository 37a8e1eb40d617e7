"""GARCH(1,1) and GJR-GARCH with Student-t shocks: what a volatility model of the textbook gives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from cbi_pipeline.evaluation.contenders import (
    Absence,
    Contender,
    Floats,
    Levels,
    Rows,
    by_commodity,
)
from cbi_pipeline.features import Stretch, Versions, stretches
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
_VERSION = ("commodity", "session", "version")


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

    It reads prices as features do: at a refit and at each origin, every session in the newest
    version public then, so a session first told late or corrected changes nothing before it was.
    Quantiles over h sessions come from simulated paths of Student-t shocks, each with its mirror
    image (so that plain GARCH has no change as its median), with the same random numbers at every
    origin.

    Attributes:
        prices: ``market.price`` rows of all versions.
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

    def basis(self, until_us: int) -> str:
        """Hash of every version of every price public until an instant."""
        digest = hashlib.sha256()
        public = self.prices.filter(pl.col("available_at").dt.epoch("us") <= until_us)
        for (commodity,), own in public.sort(*_VERSION).group_by("commodity", maintain_order=True):
            digest.update(str(commodity).encode())
            for name in (*_VERSION[1:], "available_at"):
                digest.update(own[name].to_physical().to_numpy().tobytes())
            digest.update(own["price"].fill_null(float("nan")).to_numpy().tobytes())
        return digest.hexdigest()

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Every row of a commodity of which fewer than 250 returns were public at the refit."""
        absent = []
        for commodity, rows in by_commodity(panel, fold.test_rows).items():
            count = len(self._history(commodity).returns(fold.refit_at_us))
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
            history = self._history(commodity)
            fitted = self._fit(history, fold.refit_at_us)
            chosen = np.isin(fold.test_rows, rows)
            sums = _simulate(fitted, _filtered(fitted, history, panel, rows), steps[commodity])
            for h, total in enumerate(sums):
                q[chosen, h] = np.quantile(total, self.levels, axis=1).T
                up[chosen, h], vol[chosen, h] = (total > 0.0).mean(axis=1), total.std(axis=1)
        return Forecasts(q / PERCENT, up, vol / PERCENT)

    def _history(self, commodity: str) -> History:
        if commodity not in self._histories:
            self._histories[commodity] = History.of(self.prices, commodity)
        return self._histories[commodity]

    @cached_property
    def _histories(self) -> dict[str, History]:
        return {}

    def _fit(self, history: History, refit_at_us: int) -> Parameters:
        from arch import arch_model  # takes a second to import, and most runs fit no GARCH

        order = 1 if self.kind == "gjr" else 0
        returns = history.returns(refit_at_us)
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
    """One commodity's prices as the public knew them at any instant.

    Sessions whose price is not positive, which has no log return, are left out.

    Attributes:
        commodity: its id.
        pieces: stretches of time in which news only added sessions, oldest first.
    """

    commodity: str
    pieces: tuple[Stretch, ...]

    @classmethod
    def of(cls, prices: pl.DataFrame, commodity: str) -> History:
        """The history of a commodity in ``market.price`` rows."""
        versions = Versions.from_frame(
            prices.filter(pl.col("commodity") == commodity),
            period=pl.col("session").to_physical(),
            value=pl.when(pl.col("price") > 0.0).then("price"),
        )
        return cls(commodity, tuple(stretches(versions)))

    def returns(self, instant: int) -> Floats:
        """Percent log returns between the sessions known at an instant (microseconds UTC), [N]."""
        (owner,) = self.owners(np.array([instant]))
        if owner < 0:
            return np.empty(0)
        piece = self.pieces[owner]
        return _returns(piece.value[: piece.known(np.array([instant]))[0]])

    def owners(self, instants: Ints) -> Ints:
        """The stretch that each instant lies in; -1 before the first."""
        starts = [piece.start for piece in self.pieces]
        return np.searchsorted(starts, instants, side="right") - 1


def _returns(price: Floats) -> Floats:
    returns: Floats = PERCENT * np.diff(np.log(price))
    return returns


def _filtered(fitted: Parameters, history: History, panel: Panel, rows: Rows) -> Floats:
    """Variance of the session after each row's, from the returns public at its instant; [N]."""
    instants = panel.decision_at_R.cpu().numpy()[rows]
    sessions = panel.session_R.cpu().numpy()[rows]
    found, owners = np.empty(len(rows)), history.owners(instants)
    # Origins between two corrections of the past see the same beginning of one series.
    for owner in np.unique(owners):
        piece, asked = history.pieces[owner], np.flatnonzero(owners == owner)
        last = np.searchsorted(piece.period, sessions[asked], side="right")
        count = np.minimum(piece.known(instants[asked]), last)
        variance = _variances(fitted, _returns(piece.value[: count.max()]))
        found[asked] = variance[np.maximum(count, 1) - 1]
    return found


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


def garch_baselines(prices: pl.DataFrame) -> tuple[Garch, Garch]:
    """GARCH(1,1)-t and GJR-GARCH-t on the given prices."""
    return Garch(prices), Garch(prices, "gjr")
