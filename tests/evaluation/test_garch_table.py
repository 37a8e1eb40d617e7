"""The tabulated way ahead of a GARCH, against closed forms and against arch's own simulation."""

import json

import numpy as np
import pytest
from arch import arch_model
from scipy.stats import qmc, t

from cbi_pipeline.evaluation.models.garch_table import tabulate
from cbi_pipeline.forecasting.models.garch import Parameters
from cbi_pipeline.forecasting.models.quantile_table import QuantileTable

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
PLAIN = Parameters(omega=0.05, alpha=0.09, gamma=0.0, beta=0.88, degrees=6.0)
LEVERAGED = Parameters(omega=0.05, alpha=0.06, gamma=0.06, beta=0.88, degrees=6.0)
STEPS = (1, 5, 20)
RECORD = np.array([0.5, 8.0])


def quantiles(equation, start, levels=LEVELS, steps=STEPS):
    """Percent returns, [N, H, Q]."""
    units, _ = tabulate(equation, RECORD, steps, levels).look_up(start)
    scale = np.sqrt(np.stack([equation.expect(start, step) for step in steps], axis=1))
    return units * scale[..., None]


@pytest.mark.parametrize("equation", [PLAIN, LEVERAGED], ids=["plain", "leveraged"])
def test_one_session_ahead_the_shock_is_all(equation):
    start = np.array([0.2, 1.0, 30.0])
    shock = t.ppf(LEVELS, 6.0) * np.sqrt(4.0 / 6.0)
    expected = np.sqrt(start)[:, None] * shock
    assert quantiles(equation, start)[:, 0] == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("start", [0.01, 2.0, 500.0], ids=["below", "within", "beyond"])
def test_with_a_constant_variance_returns_are_sums_of_equal_shocks(start):
    """Sums of nearly normal shocks are nearly normal, from wherever they start."""
    flat = Parameters(omega=2.0, alpha=0.0, gamma=0.0, beta=0.0, degrees=400.0)
    found = quantiles(flat, np.array([start]), steps=(400,))[0, 0]
    total = start + 399 * 2.0
    assert found == pytest.approx(t.ppf(LEVELS, 1e6) * np.sqrt(total), rel=3e-3, abs=1e-6)


@pytest.mark.parametrize("equation", [PLAIN, LEVERAGED], ids=["plain", "leveraged"])
def test_the_tabulated_law_has_the_variance_that_the_equation_expects(equation):
    levels = tuple(((np.arange(4_000) + 0.5) / 4_000).tolist())
    start = np.array([1.0])
    found = np.square(quantiles(equation, start, levels)).mean(axis=2)[0]
    expected = [equation.expect(start, step)[0] for step in STEPS]
    assert found == pytest.approx(expected, rel=0.01)


def test_the_expected_variance_follows_the_recursion():
    variance, total = 3.0, 0.0
    for _ in range(20):
        total += variance
        variance = 0.05 + 0.97 * variance
    assert PLAIN.expect(np.array([3.0]), 20)[0] == pytest.approx(total, rel=1e-12)


def test_falls_widen_what_follows_and_make_a_rise_the_likelier():
    table = tabulate(LEVERAGED, RECORD, STEPS, LEVELS)
    units, up = table.look_up(np.array([2.0]))
    assert (up[0] > 0.5).tolist() == [False, True, True]
    assert (-units[0, 1:, 0] > units[0, 1:, -1]).all()


def test_between_two_variances_the_table_is_a_straight_line_and_outside_it_is_constant():
    table = tabulate(PLAIN, RECORD, STEPS, LEVELS)
    low, high = table.variance_V[10:12]
    units, _ = table.look_up(np.array([low, 0.25 * high + 0.75 * low, high]))
    assert units[1] == pytest.approx(0.75 * units[0] + 0.25 * units[2], rel=1e-12)
    ends = table.look_up(np.array([1e-9, table.variance_V[0], table.variance_V[-1], 1e9]))[0]
    assert np.array_equal(ends[0], ends[1]) and np.array_equal(ends[2], ends[3])


def test_a_table_read_from_its_file_is_the_same_to_the_bit():
    table = tabulate(LEVERAGED, RECORD, STEPS, LEVELS)
    again = QuantileTable.from_json(json.loads(json.dumps(table.to_json())))
    start = np.array([0.3, 2.0, 90.0])
    for one, other in zip(table.look_up(start), again.look_up(start), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "equation"), [(0, PLAIN), (1, LEVERAGED)], ids=["plain", "leveraged"]
)
def test_it_agrees_with_a_million_paths_of_arch(order, equation):
    """Paths of independent draws scatter by up to 0.4 % of the width; these are stratified."""
    history = np.random.default_rng(0).standard_t(6, 400)
    parts = [equation.omega, equation.alpha, equation.gamma, equation.beta, equation.degrees]
    parameters = parts if order else [part for n, part in enumerate(parts) if n != 2]
    fixed = arch_model(history, mean="Zero", p=1, o=order, q=1, dist="t").fix(parameters)

    def draw(size):
        points = qmc.Sobol(size[1], rng=np.random.default_rng(1)).random(size[0])
        return t.ppf(points, 6.0) * np.sqrt(4.0 / 6.0)

    start = fixed.forecast(horizon=1, reindex=False).variance.to_numpy()[0]
    paths = fixed.forecast(
        horizon=20, method="simulation", simulations=2**20, rng=draw, reindex=False
    ).simulations.values[0]
    for place, step in enumerate(STEPS):
        expected = np.quantile(paths[:, :step].sum(axis=1), LEVELS)
        found = quantiles(equation, start)[0, place]
        width = expected[-1] - expected[0]
        assert np.abs(found - expected).max() < 0.001 * width
