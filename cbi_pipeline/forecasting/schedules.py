"""Learning-rate schedules as functions of the step: plain floats, never zero at the first step.

Every schedule gives the factor on the peak rate at step i of `total` optimiser steps (i from 0).
Progress is clamped, so a schedule asked past its end keeps its last value.
"""

import math
from dataclasses import dataclass
from typing import Literal

from cbi_pipeline.forecasting.config import Config
from cbi_pipeline.forecasting.declarations import Count, PositiveShare, Share, ShareBelowOne


@dataclass(frozen=True)
class ScheduleConfig(Config):
    """A schedule.

    Attributes:
        shape: what follows the warm-up.
        warmup: share of all steps spent warming up.
        warmup_from: factor before the first warm-up step; 1 holds the rate constant, 0 ramps
            linearly.
        floor: smallest factor.
        cycles: restarts of "restarts", triangles of "cyclic".
        decay: factor per epoch of "exponential_epoch" and "step"; per thousand steps of
            "exponential"; on a plateau.
        every: epochs between drops of "step"; patience of "plateau".
    """

    shape: Literal[
        "constant",
        "cosine",
        "linear",
        "restarts",
        "one_cycle",
        "exponential",
        "exponential_epoch",
        "step",
        "plateau",
        "inverse_sqrt",
        "cyclic",
    ] = "cosine"
    warmup: ShareBelowOne = 0.05
    warmup_from: Share = 0.0
    floor: Share = 0.0
    cycles: Count = 3
    decay: PositiveShare = 0.5
    every: Count = 5

    def factor(self, step: int, total: int, steps_per_epoch: int, drops: int = 0) -> float:
        """The factor on the peak rate at `step`; `drops` counts plateaus met so far.

        Raises:
            ValueError: the run has no steps.
        """
        if total < 1 or steps_per_epoch < 1:
            raise ValueError("factor: a schedule needs at least one step")
        if self.shape == "one_cycle":
            return max(self.floor, _one_cycle(min(step / max(total - 1, 1), 1.0)))
        warm = max(1, round(self.warmup * total)) if self.warmup else 0
        if step < warm:
            return self.warmup_from + (1.0 - self.warmup_from) * (step + 1) / warm
        progress = min((step - warm) / max(total - warm, 1), 1.0)
        return max(self.floor, self._after_warmup(step, warm, progress, steps_per_epoch, drops))

    def _after_warmup(
        self, step: int, warm: int, progress: float, steps_per_epoch: int, drops: int
    ) -> float:
        epoch = step // steps_per_epoch
        match self.shape:
            case "cosine":
                return _half_cosine(progress)
            case "linear":
                return 1.0 - progress
            case "restarts":
                return _half_cosine(progress * self.cycles % 1.0 if progress < 1.0 else 1.0)
            case "exponential":
                return float(self.decay ** ((step - warm) / 1000.0))
            case "exponential_epoch":
                return float(self.decay**epoch)
            case "step":
                return float(self.decay ** (epoch // self.every))
            case "plateau":
                return float(self.decay**drops)
            case "inverse_sqrt":
                return math.sqrt(max(warm, 1) / (step + 1))
            case "cyclic":
                return 1.0 - abs(2.0 * (progress * self.cycles % 1.0) - 1.0)
            case "constant" | "one_cycle":
                return 1.0


def _half_cosine(progress: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def _one_cycle(
    progress: float, rise: float = 0.3, start: float = 1 / 25, end: float = 1e-4
) -> float:
    """Cosine from start to 1 over `rise`, then to end (Smith and Topin, 2017)."""
    if progress < rise:
        return 1.0 + (start - 1.0) * _half_cosine(progress / rise)
    return end + (1.0 - end) * _half_cosine((progress - rise) / (1.0 - rise))
