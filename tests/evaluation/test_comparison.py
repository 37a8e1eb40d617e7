import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, stats

from cbi_pipeline.evaluation.comparison import (
    compare,
    cosine_test,
    diebold_mariano,
    discoveries,
    long_run_variance,
)

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(30, 200))
def test_without_overlap_the_diebold_mariano_test_is_students_paired_t_test(seed, n):
    difference = np.random.default_rng(seed).standard_t(4, n)
    test = diebold_mariano(difference, 0)
    reference = stats.ttest_1samp(difference, 0.0, alternative="greater")
    assert test.statistic == pytest.approx(reference.statistic, rel=1e-10)
    assert test.p_value == pytest.approx(reference.pvalue, rel=1e-9)


@given(SEEDS, st.integers(0, 12))
def test_the_bartlett_variance_agrees_with_statsmodels(seed, lags):
    series = np.random.default_rng(seed).standard_normal(80)
    fit = sm.OLS(series, np.ones(80)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    ours = long_run_variance(series, lags, "bartlett") / 80
    assert ours == pytest.approx(float(fit.cov_params()[0, 0]), rel=1e-9)


def test_the_rectangular_variance_and_small_sample_correction_match_the_published_formula():
    d = np.array([0.3, -0.1, 0.4, 0.2, -0.5, 0.1, 0.6, 0.0, 0.2, 0.3, -0.2, 0.5])
    n, horizon = 12, 3
    mean = sum(d) / n
    gamma = [sum((d[t] - mean) * (d[t - k] - mean) for t in range(k, n)) / n for k in range(3)]
    rectangular = gamma[0] + 2 * gamma[1] + 2 * gamma[2]
    bartlett = gamma[0] + 2 * (2 / 3) * gamma[1] + 2 * (1 / 3) * gamma[2]
    assert long_run_variance(d, 2, "rectangular") == pytest.approx(rectangular)
    plain = mean / (max(rectangular, bartlett) / n) ** 0.5
    correction = ((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n) ** 0.5
    assert diebold_mariano(d, 2).statistic == pytest.approx(plain * correction)
    assert diebold_mariano(d, 2).degrees == n - 1


@given(SEEDS, st.integers(30, 150), st.integers(0, 8))
def test_the_cosine_variance_is_the_mean_of_the_first_squared_cosine_transforms(seed, n, lags):
    difference = np.random.default_rng(seed).standard_normal(n)
    test = cosine_test(difference, lags)
    transforms = fft.dct(difference, type=2, norm="ortho")[1 : int(test.degrees) + 1]
    assert test.error == pytest.approx(np.sqrt(np.mean(transforms**2) / n))


@given(SEEDS)
@settings(max_examples=30)
def test_better_and_worse_are_mirror_images(seed):
    difference = np.random.default_rng(seed).standard_normal(60)
    gain, loss = compare(difference, 3), compare(-difference, 3)
    assert gain.mean == -loss.mean
    for one, other in ((gain.cosine, loss.cosine), (gain.diebold_mariano, loss.diebold_mariano)):
        assert one.p_value + other.p_value == pytest.approx(1.0)


@given(SEEDS, st.floats(0.001, 0.2))
@settings(max_examples=40)
def test_a_mean_is_significant_exactly_when_it_exceeds_the_smallest_shown(seed, level):
    difference = np.random.default_rng(seed).standard_normal(80) + 0.2
    comparison = compare(difference, 2)
    assert (comparison.p_value < level) == (comparison.mean > comparison.shown_from(level))


def test_equal_forecasts_are_no_evidence_either_way():
    assert compare(np.zeros(50), 3).p_value == 0.5


def test_too_few_forecasts_for_their_overlap_are_refused():
    with pytest.raises(ValueError, match="too few"):
        compare(np.arange(28.0), 13)


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=30))
def test_discoveries_follow_the_step_up_rule_of_benjamini_and_yekutieli(p_values):
    p = np.array(p_values)
    m = len(p)
    harmonic = sum(1 / k for k in range(1, m + 1))
    ordered = sorted(p)
    passing = [k for k in range(1, m + 1) if ordered[k - 1] <= 0.1 * k / (m * harmonic)]
    limit = ordered[passing[-1] - 1] if passing else -1.0
    assert discoveries(p, 0.1).tolist() == [value <= limit for value in p]


@pytest.mark.parametrize(("weeks", "overlap"), [(100, 1), (100, 5), (100, 14), (155, 14)])
def test_overlapping_errors_are_called_better_no_more_often_than_the_level(weeks, overlap):
    rng = np.random.default_rng(5)
    trials, rejected = 600, 0
    for _ in range(trials):
        sums = np.cumsum(rng.standard_t(5, weeks + overlap))
        rejected += compare(sums[overlap:] - sums[:-overlap], overlap - 1).p_value < 0.05
    # 0.05 plus two and a half binomial standard errors.
    assert rejected / trials < 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / trials)
