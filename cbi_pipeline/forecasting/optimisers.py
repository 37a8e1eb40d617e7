"""Optimisers with decay on weight matrices only, and a step that skips itself on the device."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cbi_pipeline.forecasting.config import Config
from cbi_pipeline.forecasting.declarations import NotNegative, Positive, ShareBelowOne


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig(Config, kind="optimiser"):
    """An optimiser.

    Attributes:
        name: algorithm.
        rate: peak learning rate; the schedule multiplies it.
        decay: weight decay; decoupled for "adamw", an L2 term for the others. Never applied to
            biases, norms, embeddings and other one-dimensional parameters.
        momentum: for "sgd" and "rmsprop".
        betas: for "adam" and "adamw".
    """

    name: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    rate: Positive = 1e-3
    decay: NotNegative = 0.01
    momentum: ShareBelowOne = 0.9
    betas: tuple[ShareBelowOne, ShareBelowOne] = (0.9, 0.999)

    def build(self, modules: Iterable[nn.Module]) -> Optimizer:
        """The optimiser over every trainable parameter of the modules."""
        return self._over(parameter_groups(modules, self.decay))

    def build_stacked(self, module: nn.Module, stacked: Mapping[str, Tensor]) -> Optimizer:
        """The optimiser over parameters stacked by name; decay follows the module's own shapes."""
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        groups = [
            {**group, "params": [stacked[names[id(p)]] for p in group["params"]]}
            for group in parameter_groups([module], self.decay)
        ]
        return self._over(groups)

    def _over(self, groups: list[dict[str, Any]]) -> Optimizer:
        match self.name:
            case "adamw":
                return torch.optim.AdamW(groups, lr=self.rate, betas=self.betas, fused=True)
            case "adam":
                return torch.optim.Adam(groups, lr=self.rate, betas=self.betas, fused=True)
            case "sgd":
                return _with_buffers(
                    torch.optim.SGD(groups, lr=self.rate, momentum=self.momentum, fused=True)
                )
            case "rmsprop":
                return torch.optim.RMSprop(groups, lr=self.rate, momentum=self.momentum)


def parameter_groups(modules: Iterable[nn.Module], decay: float) -> list[dict[str, Any]]:
    """Two groups that cover every trainable parameter once: with decay, and without."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for module in modules:
        for owner in module.modules():
            for parameter in owner.parameters(recurse=False):
                matrix = parameter.ndim > 1 and not isinstance(owner, nn.Embedding)
                (decayed if matrix else plain).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def step_unless(optimiser: Optimizer, broken: Tensor) -> None:
    """One step, or none at all where `broken` (a 0/1 float on the device) is 1. No host sync."""
    if optimiser.defaults.get("fused"):
        # The fused kernels read this flag themselves, moments and step counters included.
        optimiser.found_inf = broken  # type: ignore[attr-defined]
        optimiser.step()
        return
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    before = [p.detach().clone() for p in parameters]
    states = [
        (state, {k: v.clone() for k, v in state.items() if isinstance(v, Tensor)})
        for state in (optimiser.state[p] for p in parameters)
    ]
    optimiser.step()
    with torch.no_grad():
        for parameter, old in zip(parameters, before, strict=True):
            parameter.copy_(torch.where(broken > 0, old, parameter))
        for state, kept in states:
            for key, value in state.items():
                if isinstance(value, Tensor):
                    value.copy_(
                        torch.where(broken > 0, kept.get(key, torch.zeros_like(value)), value)
                    )


def _with_buffers(optimiser: torch.optim.SGD) -> torch.optim.SGD:
    # A fused SGD whose very first step is skipped would keep momentum it never initialised.
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimiser
