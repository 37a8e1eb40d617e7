"""Gradient clipping on the device: the norm is returned as a tensor, nothing waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from cbi_pipeline.forecasting.config import Config
from cbi_pipeline.forecasting.declarations import Positive


@dataclass(frozen=True)
class ClipConfig(Config):
    """Gradient clipping.

    Attributes:
        method: "norm" scales all gradients together; "value" cuts each element; "adaptive" scales
            each unit (row) to a share of its own weights' norm (Brock et al., 2021).
        limit: largest norm, largest element, or largest share.
    """

    method: Literal["norm", "value", "adaptive"] = "norm"
    limit: Positive = 1.0


UNIT_NORM_FLOOR = 1e-3
"""Units of zero weights are clipped as if their norm were this, rather than not at all."""


def clip(
    parameters: Sequence[nn.Parameter], config: ClipConfig | None, exempt: frozenset[int]
) -> Tensor:
    """Clips in place, or not at all; returns the norm before clipping, a device scalar.

    The norm is NaN or infinite when any gradient is. `exempt` holds the ids of parameters that
    adaptive clipping leaves alone: the output heads, which start at zero on purpose.
    """
    graded = [p for p in parameters if p.grad is not None]
    grads = [p.grad for p in graded if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(grads)
    if config is None:
        return norm
    match config.method:
        case "norm":
            torch.nn.utils.clip_grads_with_norm_(graded, config.limit, norm)
        case "value":
            torch._foreach_clamp_max_(grads, config.limit)
            torch._foreach_clamp_min_(grads, -config.limit)
        case "adaptive":
            for parameter, grad in zip(graded, grads, strict=True):
                if id(parameter) not in exempt:
                    _clip_units(parameter.detach(), grad, config.limit)
    return norm


def _clip_units(weight: Tensor, grad: Tensor, limit: float) -> None:
    dims = tuple(range(1, weight.ndim))
    size = _unit_norm(weight, dims).clamp(min=UNIT_NORM_FLOOR) * limit
    grad.mul_((size / _unit_norm(grad, dims).clamp(min=1e-12)).clamp(max=1.0))


def _unit_norm(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    return x.square().sum(dim=dims, keepdim=True).sqrt() if dims else x.abs()
