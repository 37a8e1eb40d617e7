import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.evaluation.resample import FEWEST_WEEKS, block_bootstrap


@given(st.integers(FEWEST_WEEKS, 120), st.integers(0, 20))
def test_every_draw_is_a_sample_of_the_same_size_in_whole_blocks(weeks, lags):
    bootstrap = block_bootstrap(weeks, lags, draws=50)
    assert (bootstrap.resample(np.ones(weeks)) == weeks).all()
    assert bootstrap.block <= weeks // 3


@given(st.integers(FEWEST_WEEKS, 60), st.integers(0, 12), st.integers(0, 1000))
def test_a_draw_adds_up_the_weeks_of_its_blocks_around_the_end(weeks, lags, seed):
    bootstrap = block_bootstrap(weeks, lags, draws=20, seed=seed)
    y = np.random.default_rng(seed).standard_normal(weeks)
    oracle = [
        sum(
            ([y[(start + step) % weeks] for start in row for step in range(bootstrap.block)])[
                :weeks
            ]
        )
        for row in bootstrap.starts.tolist()
    ]
    assert bootstrap.resample(y) == pytest.approx(oracle, abs=1e-12)


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


@given(st.integers(FEWEST_WEEKS, 60), st.integers(0, 10), st.integers(0, 1000))
def test_the_ends_of_a_positive_ratio_or_a_share_are_values_it_can_take(weeks, lags, seed):
    rng = np.random.default_rng(seed)
    bootstrap, ones = block_bootstrap(weeks, lags, draws=99), np.ones(weeks)
    losses = rng.pareto(0.7, weeks)
    low, high = bootstrap.interval(losses, ones, "positive")
    assert 0.0 < low <= losses.mean() <= high
    hits = (rng.random(weeks) < 0.9).astype(float)
    low, high = bootstrap.interval(hits, ones, "share")
    assert 0.0 <= low <= hits.mean() <= high <= 1.0


def test_on_its_own_scale_the_interval_of_a_skewed_loss_would_leave_what_is_possible():
    bootstrap, losses = block_bootstrap(60, 8), np.random.default_rng(1).pareto(0.5, 60)
    assert bootstrap.interval(losses, np.ones(60))[0] < 0.0
    assert bootstrap.interval(losses, np.ones(60), "positive")[0] > 0.0


def test_a_band_that_never_failed_has_no_lower_end_to_state():
    assert block_bootstrap(60, 2).interval(np.ones(60), np.ones(60), "share") == (1.0, 1.0)


@pytest.mark.parametrize("scale", ["positive", "share"])
def test_on_a_bounded_scale_a_nominal_ninety_percent_interval_covers_as_often(scale):
    rng = np.random.default_rng(5)
    weeks, overlap = 100, 5
    bootstrap = block_bootstrap(weeks, overlap - 1, draws=300)
    covered, trials = 0, 400
    for _ in range(trials):
        if scale == "positive":
            weekly, truth = rng.standard_gamma(0.5, weeks + overlap), 0.5 * overlap
            sums = np.convolve(weekly, np.ones(overlap), "valid")[:weeks]
        else:
            total = np.convolve(rng.standard_normal(weeks + overlap), np.ones(overlap), "valid")
            sums, truth = np.abs(total[:weeks]) < 1.2815515655446004 * np.sqrt(overlap), 0.8
        low, high = bootstrap.interval(sums.astype(float), np.ones(weeks), scale)
        covered += low <= truth <= high
    assert 0.84 <= covered / trials <= 0.95


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
