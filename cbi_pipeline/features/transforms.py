"""Causal transforms of a series: entry i of every result uses entries 0..i and nothing else.

Sums run in a fixed order, entry by entry, so that a longer history never changes a single bit of
an earlier result. That rules out pairwise summation, running differences and library windows; a
library's recursive filter runs in that order.
NaN stands for a value that is absent; it takes part in no sum and no count.
"""

from __future__ import annotations

import numpy as np

from cbi_pipeline.features.as_of_series import Floats


def lag(values: Floats, steps: int) -> Floats:
    """The value ``steps`` entries earlier; NaN before the first."""
    return _shift(values, steps, np.nan)


def log(values: Floats) -> Floats:
    """Natural logarithm where the value is positive, else NaN: no log price below zero."""
    positive = values > 0
    return np.where(positive, np.log(np.where(positive, values, 1.0)), np.nan)


def change(values: Floats, steps: int) -> Floats:
    """``values[i] - values[i - steps]``."""
    return values - lag(values, steps)


def moving_sum(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Sum and count of the values present among the last ``window`` entries."""
    present = ~np.isnan(values)
    total = _fold(np.where(present, values, 0.0), window, np.add, 0.0)
    return total, _fold(present.astype(np.float64), window, np.add, 0.0)


def moving_mean(values: Floats, window: int, least: int) -> Floats:
    """Mean of the values present among the last ``window`` entries; NaN with under ``least``."""
    total, count = moving_sum(values, window)
    return ratio(total, np.where(count >= least, count, 0.0))


def moving_deviation(values: Floats, window: int, least: int) -> Floats:
    """Standard deviation (population) over the last ``window`` entries; NaN under ``least``."""
    anchored = values - first_present(values)
    mean = moving_mean(anchored, window, least)
    square = moving_mean(anchored**2, window, least)
    return np.sqrt(np.maximum(square - mean**2, 0.0))


def moving_max(values: Floats, window: int) -> Floats:
    """Largest value present among the last ``window`` entries."""
    return _fold(values, window, np.fmax, np.nan)


def expanding_mean(values: Floats, least: int) -> Floats:
    """Mean of all values present so far; NaN with under ``least``."""
    present = ~np.isnan(values)
    count = np.cumsum(present.astype(np.float64))
    total = np.cumsum(np.where(present, values, 0.0))
    return ratio(total, np.where(count >= least, count, 0.0))


def expanding_deviation(values: Floats, least: int) -> Floats:
    """Standard deviation (population) of all values present so far; NaN under ``least``."""
    anchored = values - first_present(values)
    mean = expanding_mean(anchored, least)
    square = expanding_mean(anchored**2, least)
    return np.sqrt(np.maximum(square - mean**2, 0.0))


def exponential_mean(values: Floats, decay: float) -> Floats:
    """Mean of the values present so far with weight ``decay**k`` on the k-th newest, normalised.

    An absent value leaves the mean as it was; NaN before the first value.
    """
    present = ~np.isnan(values)
    totals = _filter(values[present], decay) / _filter(np.ones(present.sum()), decay)
    means = np.full(values.shape, np.nan)
    newest = np.cumsum(present)
    means[newest > 0] = totals[newest[newest > 0] - 1]
    return means


def _filter(values: Floats, decay: float) -> Floats:
    """``y[i] = values[i] + decay * y[i - 1]``, one entry after the other."""
    # Loading it takes longer than most commands do.
    from scipy.signal import lfilter

    filtered: Floats = lfilter([1.0], [1.0, -decay], values)
    return filtered


def seasonal_mean(values: Floats, season: int, years: int, least: int) -> Floats:
    """Mean of the entries 1..``years`` seasons ago and their two neighbours each.

    Args:
        values: one entry per period on a regular grid.
        season: periods in a year.
        years: years looked back.
        least: values that must be present.
    """
    total, count = np.zeros(values.shape), np.zeros(values.shape)
    for year in range(1, years + 1):
        for neighbour in (-1, 0, 1):
            past = lag(values, year * season + neighbour)
            total += np.where(np.isnan(past), 0.0, past)
            count += ~np.isnan(past)
    return ratio(total, np.where(count >= least, count, 0.0))


def ratio(top: Floats, bottom: Floats) -> Floats:
    """``top / bottom`` where the divisor is positive, else NaN."""
    positive = bottom > 0
    return np.where(positive, top / np.where(positive, bottom, 1.0), np.nan)


def first_present(values: Floats) -> float:
    """The first value present, 0 when there is none: an anchor that no later value moves."""
    places = np.flatnonzero(~np.isnan(values))
    return float(values[places[0]]) if places.size else 0.0


def _fold(values: Floats, window: int, fold: np.ufunc, nothing: float) -> Floats:
    """``fold`` over the last ``window`` entries, put together from spans of 1, 2, 4, ... entries.

    The order of folding depends on the window alone, and eight additions do for a year.
    """
    total = np.full(values.shape, nothing)
    span, size, covered = values, 1, 0
    while size <= window:
        if window & size:
            total = fold(total, _shift(span, covered, nothing))
            covered += size
        span = fold(span, _shift(span, size, nothing))
        size *= 2
    return total


def _shift(values: Floats, steps: int, nothing: float) -> Floats:
    shifted = np.full(values.shape, nothing)
    if steps < values.size:
        shifted[steps:] = values[: values.size - steps]
    return shifted
