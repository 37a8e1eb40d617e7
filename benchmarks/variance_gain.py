"""What the true conditional variance is worth over Combined, by horizon.

Stochastic volatility as of WTI, Brent and Henry Hub: log variances that are one or two
autoregressions, returns of Student's t with six degrees. In each world the second half is forecast
weekly by a stand-in for Combined (GARCH-t of `arch`, a regression on past absolute returns and
climatology in Combined's weights) and by the true variance; both at the level that suits them best,
so that only their course counts. The largest gain of each horizon is
`cbi_pipeline.evaluation.suspicion.VARIANCE_GAIN`; docs/decisions/0017 has the table.

Run ``python -m benchmarks.variance_gain`` (``--quick`` for one short world of one market,
``--json FILE`` or ``--json -`` for one JSON line, ``--fit FILE`` to fit the autoregressions to a
CSV file of prices instead, with the columns period and value).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from arch import arch_model
from scipy import optimize, signal, special, stats

Floats = npt.NDArray[np.float64]

SEED = 40_118_233
HORIZONS = {"1w": 5, "1m": 21, "1q": 63}
DEGREES = 6
WORLDS, SESSIONS = 12, 6000
# Of the members in `recipes/combined.toml`: two GARCH, a HAR, climatology.
GARCH_SHARE, HAR_SHARE, LONG_SHARE = 8 / 15, 4 / 15, 3 / 15
HAR_DAYS = (1, 5, 22, 66, 250)
# Lags of the autocovariances that are fitted.
FIT_LAGS = 250


@dataclass(frozen=True, slots=True)
class Volatility:
    """A log variance that is a sum of autoregressions.

    Attributes:
        persistence: of each, a session.
        deviations: standard deviation of each.
    """

    persistence: tuple[float, ...]
    deviations: tuple[float, ...]

    def draw(self, rng: np.random.Generator, sessions: int) -> tuple[Floats, Floats]:
        """Returns [sessions], and the parts of the log variance [parts, sessions]."""
        shocks = rng.standard_normal((len(self.persistence), sessions))
        parts = np.empty_like(shocks)
        for n, (memory, size) in enumerate(zip(self.persistence, self.deviations, strict=True)):
            shocks[n, 1:] *= np.sqrt(1.0 - memory**2)
            parts[n] = size * signal.lfilter([1.0], [1.0, -memory], shocks[n])
        unit = rng.standard_t(DEGREES, sessions) * np.sqrt((DEGREES - 2) / DEGREES)
        return np.exp(parts.sum(axis=0) / 2.0) * unit, parts

    def forecast(self, parts: Floats, ahead: int) -> Floats:
        """True standard deviation of the return over some sessions, at each one; [sessions]."""
        memory, size = (np.array(own)[:, None] for own in (self.persistence, self.deviations))
        total = np.zeros(parts.shape[1])
        for step in range(1, ahead + 1):
            decayed = memory**step
            unseen = size**2 * (1.0 - decayed**2) / 2.0
            total += np.exp((decayed * parts + unseen).sum(axis=0))
        return np.sqrt(total)


#: As fitted to the daily spot prices of the EIA up to August 2026; `fit` comes near, depending on
#: the lags.
MARKETS = {
    "WTI": Volatility((0.991,), (0.77,)),
    "Brent": Volatility((0.990,), (0.76,)),
    "Henry Hub": Volatility((0.998, 0.966), (0.56, 0.88)),
}


def main() -> None:
    """Simulate or fit, print, and write where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="one short world of one market")
    arguments.add_argument("--json", metavar="FILE", help="write the figures here, - for stdout")
    arguments.add_argument("--fit", metavar="FILE", help="fit to the prices of a CSV file")
    chosen = arguments.parse_args()
    if chosen.fit:
        prices = pl.read_csv(chosen.fit).sort("period")["value"].to_numpy()
        figures: Mapping[str, object] = {str(n): fit(prices, n) for n in (1, 2)}
    elif chosen.quick:
        figures = {"WTI": measure_gains(MARKETS["WTI"], 1, SESSIONS // 2)}
    else:
        figures = {name: measure_gains(own, WORLDS, SESSIONS) for name, own in MARKETS.items()}
    line = json.dumps(figures)
    if chosen.json and chosen.json != "-":
        Path(chosen.json).write_text(line + "\n")
    sys.stdout.write(line + "\n")


def measure_gains(volatility: Volatility, worlds: int, sessions: int) -> dict[str, float]:
    """Share of the stand-in's CRPS that knowing the variance saves, by horizon."""
    rng = np.random.default_rng([SEED, round(1000 * volatility.persistence[0])])
    sums = {label: np.zeros(2) for label in HORIZONS}
    for _ in range(worlds):
        returns, parts = volatility.draw(rng, sessions)
        half = sessions // 2
        for label, ahead in HORIZONS.items():
            origins = np.arange(half, sessions - ahead, 5)
            outcomes = _sum_ahead(returns, ahead)[origins]
            scales = (
                stand_in(returns, half, ahead)[origins],
                volatility.forecast(parts, ahead)[origins],
            )
            sums[label] += [_score_best_level(scale, outcomes) for scale in scales]
    return {label: round(float(1.0 - true / usual), 4) for label, (usual, true) in sums.items()}


def stand_in(returns: Floats, half: int, ahead: int) -> Floats:
    """Combined's scale at each session, fitted to the first half; [sessions]."""
    long_run = np.full(len(returns), np.sqrt(ahead) * returns[:half].std())
    members = (_forecast_garch(returns, half, ahead), _regress(returns, half, ahead), long_run)
    shares = (GARCH_SHARE, HAR_SHARE, LONG_SHARE)
    scale: Floats = np.sum(
        [share * own for share, own in zip(shares, members, strict=True)], axis=0
    )
    return scale


def _forecast_garch(returns: Floats, half: int, ahead: int) -> Floats:
    fitted = arch_model(returns[:half], mean="Zero", dist="t").fit(disp="off")
    constant, arch, garch = (fitted.params[name] for name in ("omega", "alpha[1]", "beta[1]"))
    news = constant + arch * returns**2
    start = [garch * float(np.var(returns[:half]))]
    following, _ = signal.lfilter([1.0], [1.0, -garch], news, zi=start)
    memory = min(arch + garch, 0.9999)
    level = constant / (1.0 - memory)
    decayed = (1.0 - memory**ahead) / (1.0 - memory)
    variance: Floats = ahead * level + (following - level) * decayed
    return np.sqrt(variance)


def _regress(returns: Floats, half: int, ahead: int) -> Floats:
    """Mean absolute daily return to come, regressed on those of the past, as a scale."""
    size = np.abs(returns)
    sums = np.concatenate([[0.0], size.cumsum()])
    now = np.arange(1, len(size) + 1)
    means = [
        (sums[now] - sums[np.maximum(now - days, 0)]) / np.minimum(now, days) for days in HAR_DAYS
    ]
    design = np.column_stack([np.ones(len(size)), *means])
    rows = slice(HAR_DAYS[-1], half - ahead)
    coming = _sum_ahead(size, ahead) / ahead
    weights, *_ = np.linalg.lstsq(design[rows], coming[rows], rcond=None)
    least = 0.2 * size[:half].mean()
    scale: Floats = np.sqrt(ahead) * np.maximum(design @ weights, least)
    return scale


def _sum_ahead(values: Floats, ahead: int) -> Floats:
    """Sum over the sessions after each one; zero where they are not all there; [sessions]."""
    sums = np.concatenate([[0.0], values.cumsum()])
    total = np.zeros(len(values))
    total[:-ahead] = sums[ahead + 1 :] - sums[1:-ahead]
    return total


def _score_best_level(scale: Floats, outcomes: Floats) -> float:
    """Sum of the CRPS of Student's t at the multiple of the scale with the least."""

    def cost(logarithm: float) -> float:
        own = np.exp(logarithm) * scale
        return float((own * _score_unit_t(outcomes / own)).sum())

    start = float(np.log(np.std(outcomes / scale)))
    return float(optimize.minimize_scalar(cost, bounds=(start - 1.0, start + 1.0)).fun)


def _score_unit_t(z: Floats) -> Floats:
    """CRPS of Student's t of unit scale (Jordan, Krueger and Lerch, 2019)."""
    beta = special.beta(0.5, DEGREES - 0.5) / special.beta(0.5, DEGREES / 2.0) ** 2
    score: Floats = (
        z * (2.0 * stats.t.cdf(z, DEGREES) - 1.0)
        + 2.0 * stats.t.pdf(z, DEGREES) * (DEGREES + z**2) / (DEGREES - 1)
        - 2.0 * np.sqrt(DEGREES) / (DEGREES - 1) * beta
    )
    return score


def fit(prices: Floats, parts: int) -> dict[str, list[float]]:
    """Persistence and deviations of a log variance of so many parts, by autocovariances.

    Those of log squared returns at lag k are the sum of deviation^2 persistence^k; what the
    returns add has none. Days without a change are left out.
    """
    returns = np.diff(np.log(prices[prices > 0.0]))
    logs = np.log(returns[returns != 0.0] ** 2)
    centred = logs - logs.mean()
    lags = np.arange(1, FIT_LAGS + 1)
    observed = np.array([centred[k:] @ centred[:-k] / len(centred) for k in lags])

    def miss(given: Floats) -> Floats:
        memory, size = special.expit(given[:parts]), np.exp(given[parts:])
        return (size[:, None] ** 2 * memory[:, None] ** lags).sum(axis=0) - observed

    start = np.concatenate([np.linspace(5.0, 3.0, parts), np.full(parts, -0.5)])
    found = optimize.least_squares(miss, start).x
    memory, size = special.expit(found[:parts]), np.exp(found[parts:])
    return {"persistence": memory.round(4).tolist(), "deviations": size.round(3).tolist()}


if __name__ == "__main__":
    main()
