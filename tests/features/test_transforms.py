"""Transforms say what their names say, and no later entry touches an earlier result."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cbi_pipeline.features import transforms as t
from cbi_pipeline.features.expressions import Rhythm
from cbi_pipeline.features.feature_sets import CORE_1
from cbi_pipeline.features.group import Series, transform_of

NUMBERS = st.floats(-100, 100).map(lambda x: round(x, 3)) | st.just(math.nan)
SERIES = arrays.arrays(np.float64, st.integers(1, 80), elements=NUMBERS)
WINDOWS = st.integers(1, 90)

RHYTHMS = {"daily": Rhythm(252, 260), "weekly": Rhythm(52, 104)}
TRANSFORMS = {
    f"{source.name if isinstance(source, Series) else type(source).__name__} {name}": (
        source,
        transform_of(source, [c.expression for c in group.columns_of(source)], rhythm),
    )
    for group in CORE_1.read
    for source in group.sources
    for name, rhythm in RHYTHMS.items()
}


def present(values: np.ndarray) -> list[float]:
    return [value for value in values.tolist() if not math.isnan(value)]


@settings(deadline=None)
@given(SERIES, WINDOWS)
def test_a_moving_sum_adds_the_last_entries(values, window):
    total, count = t.moving_sum(values, window)
    slices = [present(values[max(0, i + 1 - window) : i + 1]) for i in range(values.size)]
    np.testing.assert_allclose(total, [math.fsum(s) for s in slices], atol=1e-9)
    assert count.tolist() == [len(s) for s in slices]


@settings(deadline=None)
@given(SERIES, WINDOWS)
def test_a_moving_maximum_is_the_largest_of_the_last_entries(values, window):
    slices = [present(values[max(0, i + 1 - window) : i + 1]) for i in range(values.size)]
    expected = [max(s) if s else math.nan for s in slices]
    np.testing.assert_array_equal(t.moving_max(values, window), expected)


@settings(deadline=None)
@given(SERIES, WINDOWS, st.integers(1, 10))
def test_a_moving_deviation_is_that_of_the_last_entries(values, window, least):
    slices = [present(values[max(0, i + 1 - window) : i + 1]) for i in range(values.size)]
    expected = [np.std(s) if len(s) >= least else math.nan for s in slices]
    np.testing.assert_allclose(t.moving_deviation(values, window, least), expected, atol=1e-5)


@settings(deadline=None)
@given(SERIES, st.integers(1, 10))
def test_expanding_moments_are_those_of_all_entries_so_far(values, least):
    slices = [present(values[: i + 1]) for i in range(values.size)]
    means = [np.mean(s) if len(s) >= least else math.nan for s in slices]
    spreads = [np.std(s) if len(s) >= least else math.nan for s in slices]
    np.testing.assert_allclose(t.expanding_mean(values, least), means, atol=1e-9)
    np.testing.assert_allclose(t.expanding_deviation(values, least), spreads, atol=1e-5)


@settings(deadline=None)
@given(SERIES, st.floats(0.5, 0.99))
def test_an_exponential_mean_weighs_the_k_th_newest_with_decay_to_the_k(values, decay):
    for i, mean in enumerate(t.exponential_mean(values, decay)):
        newest_first = present(values[: i + 1])[::-1]
        weights = [decay**k for k in range(len(newest_first))]
        if newest_first:
            assert mean == pytest.approx(np.average(newest_first, weights=weights), abs=1e-7)
        else:
            assert math.isnan(mean)


@settings(deadline=None)
@given(SERIES)
def test_a_seasonal_mean_looks_a_year_back_and_its_neighbours(values):
    means = t.seasonal_mean(values, season=7, years=3, least=2)
    for i, mean in enumerate(means):
        places = [i - 7 * year + n for year in (1, 2, 3) for n in (-1, 0, 1)]
        past = present(values[[place for place in places if place >= 0]])
        if len(past) >= 2:
            assert mean == pytest.approx(np.mean(past), abs=1e-9)
        else:
            assert math.isnan(mean)


def test_there_is_no_log_of_a_price_at_or_below_zero():
    logs = t.log(np.array([math.e, 0.0, -36.98, math.nan]))
    np.testing.assert_array_equal(logs, [1.0, math.nan, math.nan, math.nan])


@pytest.mark.parametrize("name", TRANSFORMS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_longer_history_changes_no_bit_of_what_was_computed(name, data):
    dice = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    size = data.draw(st.integers(2, 400))
    source, transform = TRANSFORMS[name]
    monthly = isinstance(source, Series) and source.grid == "month"
    period = np.cumsum(dice.integers(1, 3, size)) * (31 if monthly else 7)
    value = np.exp(dice.normal(0, 0.3, size)) * np.where(dice.random(size) < 0.02, -1, 1)
    cut = data.draw(st.integers(1, size))
    whole, prefix = transform(period, value), transform(period[:cut], value[:cut])
    assert whole[:cut].tobytes() == prefix.tobytes()
