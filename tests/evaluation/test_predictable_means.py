"""A mean of returns is used where the record says that they are predictable, and only there."""

import numpy as np
import pytest

from cbi_pipeline.forecasting.models.autoregression import ReturnMean, fit_mean
from cbi_pipeline.forecasting.models.returns import Returns

STEPS = (1, 4, 13)


def persistent(seed, count=1200, slope=0.5):
    """Percent returns that go on in part from one session to the next."""
    rng = np.random.default_rng(seed)
    returns = np.zeros(count)
    for t in range(1, count):
        returns[t] = slope * returns[t - 1] + rng.standard_t(6)
    return returns


def test_predictable_returns_have_a_mean_near_the_true_one():
    mean = fit_mean(persistent(0), STEPS)
    assert mean.is_used[0]
    assert mean.coefficients[0] == pytest.approx(0.5, abs=0.1)
    assert mean.spread[0] == pytest.approx(np.sqrt(1 - 0.25), abs=0.05)


def test_unpredictable_returns_have_none_in_all_but_a_few_records():
    rng = np.random.default_rng(1)
    records = [rng.standard_t(6, 1200) for _ in range(200)]
    assert sum(fit_mean(record, STEPS) is not None for record in records) <= 10


def test_too_few_returns_have_none():
    assert fit_mean(persistent(0, count=249), STEPS) is None


def test_the_expectation_is_that_of_the_recursion_written_out():
    mean = ReturnMean((0.4, 0.2, -0.1, 0.05), (0.9, 0.9, 1.0), (True, True, False))
    percent = persistent(2, count=40)
    returns = Returns(np.arange(40) + 5, np.arange(40), percent)
    (found,) = mean.expect(returns, np.array([30]), STEPS)
    history, sums = percent[:26].tolist(), []
    for _ in range(4):
        recent = history[-4:][::-1]
        history.append(sum(c * r for c, r in zip(mean.coefficients, recent, strict=True)))
        sums.append(sum(history[26:]))
    assert found == pytest.approx([sums[0] / 100, sums[3] / 100, 0.0], rel=1e-9)
