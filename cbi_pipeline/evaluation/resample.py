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
    """Samples of one set of weeks in blocks, shared by every figure on those weeks.

    Attributes:
        starts: first week of each block, [draws, blocks]; a block goes on past the last week from
            the first, and the last one of a sample is cut to the weeks.
        weeks: in the sample.
        block: weeks in a block.
    """

    starts: npt.NDArray[np.int64]
    weeks: int
    block: int

    def resample(self, weekly: Floats) -> Floats:
        """Sums of weekly values [weeks] over each sample; [draws]."""
        round_again = np.concatenate([weekly, weekly[: self.block]])
        rest = self.weeks - self.block * (self.starts.shape[1] - 1)
        whole, last = (
            np.lib.stride_tricks.sliding_window_view(round_again, length).sum(axis=1)
            for length in (self.block, rest)
        )
        sums: Floats = whole[self.starts[:, :-1]].sum(axis=1) + last[self.starts[:, -1]]
        return sums

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
            draws = there(self.resample(numerator) / self.resample(denominator))
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
        weeks = self.weeks
        tail = (1.0 + CONFIDENCE) / 2.0
        degrees = max(2.0, weeks / self.block - 1.0)
        few_blocks = stats.t.ppf(tail, degrees) / stats.norm.ppf(tail)
        return float(few_blocks * np.sqrt(weeks / (weeks - self.block)))


def block_bootstrap(
    weeks: int, lags: int, memory: int = 0, *, draws: int = DRAWS, seed: int = SEED
) -> Bootstrap | None:
    """Circular block bootstrap (Politis and Romano, 1992) for forecasts overlapping ``lags`` weeks.

    Blocks are twice the overlap, at least the overlap and the ``memory`` together, at least the
    cube root and at most a third of the sample. None when there are fewer weeks than
    `FEWEST_WEEKS`.

    Args:
        weeks: in the sample.
        lags: weeks by which forecasts overlap.
        memory: weeks for which what is resampled goes on; see `Group.memory`.
        draws: samples drawn.
        seed: of the draws.
    """
    if weeks < FEWEST_WEEKS:
        return None
    block = max(2 * (lags + 1), lags + _round_up(memory), round(weeks ** (1 / 3)))
    return _draw(weeks, min(block, weeks // 3), draws, seed)


def _round_up(memory: int) -> int:
    """To the next power of two, so that few lengths of blocks are drawn and kept."""
    return 1 << (memory - 1).bit_length() if memory > 0 else 0


@lru_cache(maxsize=8)
def _draw(weeks: int, block: int, draws: int, seed: int) -> Bootstrap:
    starts = np.random.default_rng(seed).integers(0, weeks, (draws, -(-weeks // block)))
    return Bootstrap(starts, weeks, block)
