"""Averaged weights: exponential over steps, or equal over the last part of a run."""

import copy
from dataclasses import dataclass
from typing import Literal

import torch

from cbi_pipeline.forecasting.config import Config
from cbi_pipeline.forecasting.declarations import InsideUnit, ShareBelowOne
from cbi_pipeline.forecasting.networks.network import Network


@dataclass(frozen=True)
class AveragingConfig(Config):
    """Weight averaging; the averaged network is the one validated and kept.

    Attributes:
        method: "ema", exponential (Polyak); "swa", equal weights (Izmailov et al., 2018).
        decay: of "ema", per step; the first steps count for more, so it starts without bias.
        start: of "swa", share of all steps after which averaging begins.
    """

    method: Literal["ema", "swa"] = "ema"
    decay: InsideUnit = 0.99
    start: ShareBelowOne = 0.75

    def share(self, step: int, total: int) -> float:
        """The new weights' share in the average after `step` (from 0) of `total` steps."""
        if self.method == "ema":
            return 1.0 - min(self.decay, (1.0 + step) / (10.0 + step))
        return 1.0 / max(1, step + 1 - round(self.start * total))


class Average:
    """A second network that follows the first on the device, without a host sync.

    No network here keeps batch statistics, so there is nothing to refresh after averaging.
    """

    def __init__(self, config: AveragingConfig, network: Network) -> None:
        self.config = config
        self.network = copy.deepcopy(network)
        self.followed = [p.detach() for p in network.parameters()]
        self.mean = [p.detach() for p in self.network.parameters()]

    def update(self, step: int, total: int) -> None:
        """Takes in the weights after `step`."""
        torch._foreach_lerp_(self.mean, self.followed, self.config.share(step, total))
