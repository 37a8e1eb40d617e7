"""What knowing the variance is worth, which suspicion measures recipes against."""

import numpy as np
import pytest
from scipy import integrate, stats

from benchmarks import variance_gain
from benchmarks.variance_gain import MARKETS, Volatility
from tests.evaluation.test_simulation import run_quickly


@pytest.mark.slow
def test_the_quick_benchmark_prints_the_gain_of_each_horizon():
    found = run_quickly("-m", "benchmarks.variance_gain")
    assert found["WTI"].keys() == {"1w", "1m", "1q"}
    assert all(-0.02 < gain < 0.05 for gain in found["WTI"].values())


def test_the_true_variance_is_that_of_returns_drawn_from_where_the_parts_stand():
    rng, own = np.random.default_rng(0), Volatility((0.9, 0.5), (0.6, 0.4))
    start, ahead, paths = np.array([0.8, -0.3]), 5, 200_000
    parts, total = np.tile(start[:, None], paths), np.zeros(paths)
    for _ in range(ahead):
        for n, (memory, size) in enumerate(zip(own.persistence, own.deviations, strict=True)):
            shock = size * np.sqrt(1 - memory**2) * rng.standard_normal(paths)
            parts[n] = memory * parts[n] + shock
        total += np.exp(parts.sum(axis=0) / 2) * rng.standard_normal(paths)
    assert own.forecast(start[:, None], ahead)[0] == pytest.approx(total.std(), rel=0.02)


@pytest.mark.parametrize("z", [-2.5, 0.0, 0.7])
def test_the_score_of_students_t_is_the_integral_that_defines_it(z):
    def gap(x):
        return (stats.t.cdf(x, variance_gain.DEGREES) - (x >= z)) ** 2

    exact = sum(integrate.quad(gap, *ends)[0] for ends in ((-np.inf, z), (z, np.inf)))
    assert variance_gain._score_unit_t(np.array([z]))[0] == pytest.approx(exact, rel=1e-6)


def test_the_fit_finds_the_volatility_that_prices_were_drawn_with():
    returns, _ = MARKETS["WTI"].draw(np.random.default_rng(1), 200_000)
    found = variance_gain.fit(np.exp(np.concatenate([[0.0], (0.02 * returns).cumsum()])), 1)
    assert found["persistence"][0] == pytest.approx(0.991, abs=0.004)
    assert found["deviations"][0] == pytest.approx(0.77, abs=0.08)
