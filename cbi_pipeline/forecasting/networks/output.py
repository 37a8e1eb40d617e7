"""What every network returns, and the two ways to turn raw heads into it.

Suffixes: B batch, H horizons, C commodities (1 in pooled mode), Q quantile levels, K numbers per
distribution.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from cbi_pipeline.forecasting import student

LOG_LIMIT = 3.0
"""Scale adjustments stay within a factor of exp(3), so one bad step cannot run away."""


class Output(NamedTuple):
    """A forecast in log returns from origin to target.

    Attributes:
        q_BHCQ: quantiles, non-decreasing in Q.
        up_BHC: probability that the return is positive.
        vol_BHC: standard deviation of the return.
    """

    q_BHCQ: Tensor
    up_BHC: Tensor
    vol_BHC: Tensor


class Raw(NamedTuple):
    """Unbounded head outputs: distribution [B, H, C, K], direction and volatility [B, H, C]."""

    shape_BHCK: Tensor
    up_BHC: Tensor
    vol_BHC: Tensor


class Distribution(Protocol):
    """Turns raw heads into an output; `numbers` is K."""

    numbers: int

    def __call__(self, raw: Raw, prior_BHC: Tensor, unit_BHC: Tensor) -> Output:
        """`prior_BHC` is the prior's scale, `unit_BHC` the training targets' root mean square."""
        ...


class Anchored(nn.Module):
    """Adjusts the prior: q = s (shift + exp(log_scale) z), z of the prior's Student-t.

    With raw heads at zero the output is the prior, exactly. One level alone has no scale, so K
    is 1 there and 2 otherwise.
    """

    z_Q: Tensor

    def __init__(self, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.numbers = 1 if len(levels) == 1 else 2
        self.register_buffer("z_Q", student.quantiles(levels).float(), persistent=False)

    def forward(self, raw: Raw, prior_BHC: Tensor, unit_BHC: Tensor) -> Output:
        """The prior at its scale `prior_BHC`, adjusted."""
        shift_BHC, spread_BHC = raw.shape_BHCK[..., 0], torch.ones_like(raw.up_BHC)
        if self.numbers == 2:
            spread_BHC = _bounded_exp(raw.shape_BHCK[..., 1])
        u_BHCQ = shift_BHC[..., None] + spread_BHC[..., None] * self.z_Q
        # Direction learns on top of the distribution's own probability without bending it.
        own_BHC = student.cdf((shift_BHC / spread_BHC).detach()).clamp(1e-6, 1 - 1e-6).logit()
        return Output(
            prior_BHC[..., None] * u_BHCQ,
            torch.sigmoid(own_BHC + raw.up_BHC),
            prior_BHC * _bounded_exp(raw.vol_BHC),
        )


class Free(nn.Module):
    """Quantiles without a prior: a median and softplus gaps outwards, so they cannot cross."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.numbers = len(levels)
        self.middle = min(range(len(levels)), key=lambda i: abs(levels[i] - 0.5))

    def forward(self, raw: Raw, prior_BHC: Tensor, unit_BHC: Tensor) -> Output:
        """Numbers in units of the training targets' root mean square."""
        middle, gaps = self.middle, softplus(raw.shape_BHCK)
        centre = raw.shape_BHCK[..., middle : middle + 1]
        below = centre - gaps[..., :middle].flip(-1).cumsum(-1).flip(-1)
        above = centre + gaps[..., middle + 1 :].cumsum(-1)
        u_BHCQ = torch.cat([below, centre, above], dim=-1)
        return Output(
            unit_BHC[..., None] * u_BHCQ,
            torch.sigmoid(raw.up_BHC),
            unit_BHC * _bounded_exp(raw.vol_BHC),
        )


def _bounded_exp(x: Tensor) -> Tensor:
    """Exp near zero, exactly 1 at zero, within exp(-3) and exp(3) everywhere."""
    return torch.exp(LOG_LIMIT * torch.tanh(x / LOG_LIMIT))
