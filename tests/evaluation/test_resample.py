import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.evaluation.resample import FEWEST_WEEKS, block_bootstrap


@given(st.integers(FEWEST_WEEKS, 120), st.integers(0, 20))
def test_every_draw_is_a_sample_of_the_same_size_in_whole_blocks(weeks, lags):
    bootstrap = block_bootstrap(weeks, lags, draws=50)
    assert (bootstrap.weights.sum(axis=1) == weeks).all()
    assert bootstrap.block <= weeks // 3


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    y, ones = np.random.default_rng(0).standard_normal(80), np.ones(80)
    first, again, other = (
        block_bootstrap(80, 3, seed=seed).interval(y, ones) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_too_few_weeks_make_no_interval():
    assert block_bootstrap(FEWEST_WEEKS - 1, 0) is None


def test_a_constant_ratio_has_no_width():
    x = np.random.default_rng(0).uniform(1, 2, 60)
    low, high = block_bootstrap(60, 2).interval(3 * x, x)
    assert low == pytest.approx(3.0)
    assert high == pytest.approx(3.0)


@pytest.mark.parametrize(("weeks", "overlap"), [(100, 1), (100, 5), (100, 14), (155, 14)])
def test_a_nominal_ninety_percent_interval_covers_between_84_and_95(weeks, overlap):
    rng = np.random.default_rng(3)
    bootstrap = block_bootstrap(weeks, overlap - 1, draws=300)
    covered, trials = 0, 400
    for _ in range(trials):
        sums = np.cumsum(rng.standard_t(5, weeks + overlap))
        low, high = bootstrap.interval(sums[overlap:] - sums[:-overlap], np.ones(weeks))
        covered += low <= 0.0 <= high
    assert 0.84 <= covered / trials <= 0.95
