"""Tests between two forecasters on a series of paired loss differences."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]

FEWEST_COSINES = 3


@dataclass(frozen=True, slots=True)
class MeanTest:
    """A one-sided test of "the mean difference is positive".

    Attributes:
        statistic: mean over its standard error.
        degrees: degrees of freedom of the reference t distribution.
        error: standard error of the mean.
        p_value: probability of a statistic at least this large when the mean is zero.
    """

    statistic: float
    degrees: float
    error: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two tests of one series; the less favourable one counts.

    Attributes:
        mean: mean loss difference, positive when the candidate is better.
        p_value: the larger of the two p-values.
        count: paired forecast weeks.
        lags: weeks by which forecasts overlap.
        diebold_mariano: with autocovariances up to the overlap and the small-sample correction.
        cosine: with the equally weighted cosine variance and its t distribution.
    """

    mean: float
    p_value: float
    count: int
    lags: int
    diebold_mariano: MeanTest
    cosine: MeanTest

    def shown_from(self, level: float) -> float:
        """Smallest mean difference that this sample shows at ``level``."""
        return max(
            float(stats.t.isf(level, test.degrees)) * test.error
            for test in (self.diebold_mariano, self.cosine)
        )


def compare(difference: Floats, lags: int, memory: int = 0) -> Comparison:
    """Test whether the mean of ``difference`` [n] is positive.

    Neither test alone keeps its level when the overlap is a seventh of the sample: the first
    rejects too often in the tails, the second at 5 %. Their larger p-value does; the simulation
    under ``benchmarks`` measures it.

    Args:
        difference: one value a week.
        lags: weeks by which forecasts overlap.
        memory: weeks for which misjudgements go on; see `Group.memory`.

    Raises:
        ValueError: not more forecasts than twice the overlap.
    """
    if len(difference) <= 2 * (lags + 1):
        raise ValueError(
            f"{len(difference)} forecasts overlapping {lags} weeks are too few to compare"
        )
    dm = diebold_mariano(difference, lags)
    cosine = cosine_test(difference, lags, memory)
    return Comparison(
        mean=float(difference.mean()),
        p_value=max(dm.p_value, cosine.p_value),
        count=len(difference),
        lags=lags,
        diebold_mariano=dm,
        cosine=cosine,
    )


def diebold_mariano(difference: Floats, lags: int) -> MeanTest:
    """Diebold and Mariano (1995) with the correction of Harvey, Leybourne and Newbold (1997).

    The long-run variance is the larger of the rectangular and the Bartlett estimate over ``lags``
    autocovariances: the rectangular one, right for overlapping errors, can come out tiny or
    negative by chance.
    """
    n, horizon = len(difference), lags + 1
    variance = max(
        long_run_variance(difference, lags, "rectangular"),
        long_run_variance(difference, lags, "bartlett"),
    )
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    return _mean_test(difference, variance / correction, n - 1)


def cosine_test(difference: Floats, lags: int, memory: int = 0) -> MeanTest:
    """Test with the equally weighted cosine variance (Lazarus, Lewis, Stock and Watson, 2018).

    Degrees of freedom: their 0.41 n^(2/3), but no frequency beyond n / (2 (lags + 1)), up to
    which the spectrum of overlapping errors is still near its value at zero, and none beyond
    n / (2 memory), for the same of misjudgements that last.
    """
    n = len(difference)
    longest = max(lags + 1, memory)
    count = max(FEWEST_COSINES, int(min(0.41 * n ** (2 / 3), n / (2 * longest))))
    times = (np.arange(n) + 0.5) / n
    cosines = np.cos(np.pi * np.outer(np.arange(1, count + 1), times)) * np.sqrt(2.0 / n)
    return _mean_test(difference, float(np.mean((cosines @ difference) ** 2)), count)


def long_run_variance(series: Floats, lags: int, kernel: str) -> float:
    """Sum of autocovariances up to ``lags``, "rectangular" or "bartlett" (1 - k / (lags + 1))."""
    n = len(series)
    centred = series - series.mean()
    covariances = np.array([centred[k:] @ centred[: n - k] / n for k in range(lags + 1)])
    falling = 1.0 - np.arange(lags + 1) / (lags + 1)
    weights = falling if kernel == "bartlett" else np.ones(lags + 1)
    return float(covariances[0] + 2.0 * weights[1:] @ covariances[1:])


def discoveries(p_values: Floats, rate: float) -> npt.NDArray[np.bool_]:
    """Which of many p-values are discoveries at a false-discovery ``rate``, whatever their ties.

    Benjamini and Yekutieli (2001): valid under any dependence, which horizons and commodities have.
    """
    if not len(p_values):
        return np.zeros(0, dtype=np.bool_)
    adjusted = stats.false_discovery_control(p_values, method="by")
    return np.asarray(adjusted <= rate, dtype=np.bool_)


def adjust(p_values: Floats) -> Floats:
    """p-values of many tests, so raised that any of them is below a level by chance so often.

    Holm (1979): valid under any dependence, which opponents and horizons have.
    """
    order = np.argsort(p_values)
    left = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(left * np.asarray(p_values)[order]))
    return adjusted


def _mean_test(difference: Floats, variance: float, degrees: float) -> MeanTest:
    mean, error = float(difference.mean()), float(np.sqrt(variance / len(difference)))
    if error > 0.0:
        statistic = mean / error
    else:
        # No spread at all: certain when there is a difference, and JSON holds no infinity.
        statistic = 0.0 if mean == 0.0 else float(np.copysign(sys.float_info.max, mean))
    return MeanTest(statistic, degrees, error, float(stats.t.sf(statistic, degrees)))
