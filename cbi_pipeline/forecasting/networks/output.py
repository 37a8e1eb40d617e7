"""What every network returns, and the ways to turn raw heads into it.

Suffixes: B batch, H horizons, C commodities (1 in pooled mode), Q quantile levels, K numbers per
distribution.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from cbi_pipeline.forecasting import student
from cbi_pipeline.forecasting.windows import AnchorInputs

LOG_LIMIT = 3.0
"""Scale adjustments stay within a factor of exp(3), so one bad step cannot run away."""

ANCHOR_LEVELS = (0.16, 0.5, 0.84)
"""Levels of an anchor that its scale and its middle are read from."""
SURELY = 5e-7
"""No anchor's chance of a rise is nearer to 0 or 1: a network must be able to move it."""


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

    def __call__(
        self, raw: Raw, prior_BHC: Tensor, unit_BHC: Tensor, anchor: AnchorInputs | None
    ) -> Output:
        """The output in log returns.

        Args:
            raw: of the heads.
            prior_BHC: the prior's scale.
            unit_BHC: the training targets' root mean square.
            anchor: forecasts of the anchor model, where there is one.
        """
        ...


class OverPrior(nn.Module):
    """Adjusts the prior: q = s (shift + exp(log_scale) z), z of the prior's Student-t.

    With raw heads at zero the output is the prior, exactly. One level alone has no scale, so K
    is 1 there and 2 otherwise.
    """

    z_Q: Tensor

    def __init__(self, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.numbers = 1 if len(levels) == 1 else 2
        self.register_buffer("z_Q", student.quantiles(levels).float(), persistent=False)

    def forward(
        self, raw: Raw, prior_BHC: Tensor, unit_BHC: Tensor, anchor: AnchorInputs | None
    ) -> Output:
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


class OverAnchor(nn.Module):
    """Adjusts an anchor's quantiles: q = m + s shift + exp(log_scale) (q_anchor - m).

    m is the anchor's median and s half the distance of its quantiles at 0.16 and 0.84, read between
    levels by linear interpolation. With raw heads at zero the output is the anchor's to a few units
    of the last place. A positive factor and one shift for all levels cannot make quantiles cross.
    """

    numbers = 2
    at_3Q: Tensor
    levels_Q: Tensor

    def __init__(self, levels: tuple[float, ...]) -> None:
        super().__init__()
        at = torch.tensor([interpolate(levels, level) for level in ANCHOR_LEVELS])
        self.register_buffer("at_3Q", at, persistent=False)
        self.register_buffer("levels_Q", torch.tensor(levels), persistent=False)

    def forward(
        self, raw: Raw, prior_BHC: Tensor, unit_BHC: Tensor, anchor: AnchorInputs | None
    ) -> Output:
        """The anchor's forecast, adjusted."""
        assert anchor is not None  # the sampler of a recipe with an anchor gives one
        low, middle, high = (anchor.q_BHCQ[..., None, :] * self.at_3Q).sum(-1).unbind(-1)
        shift = 0.5 * (high - low) * raw.shape_BHCK[..., 0]
        spread = _bounded_exp(raw.shape_BHCK[..., 1])
        q_BHCQ = (middle + shift)[..., None] + spread[..., None] * (
            anchor.q_BHCQ - middle[..., None]
        )
        # Where the anchor had the return that is zero now: direction learns on top of that change.
        zero_BHC = (middle - (middle + shift) / spread).detach()
        moved = self._logit_above(anchor.q_BHCQ, zero_BHC) - self._logit_above(
            anchor.q_BHCQ, torch.zeros_like(zero_BHC)
        )
        own_BHC = anchor.up_BHC.clamp(SURELY, 1 - SURELY).logit() + moved
        return Output(
            q_BHCQ, torch.sigmoid(own_BHC + raw.up_BHC), anchor.vol_BHC * _bounded_exp(raw.vol_BHC)
        )

    def _logit_above(self, q_BHCQ: Tensor, x_BHC: Tensor) -> Tensor:
        """Log odds that the anchor's return is above x, linear between levels, flat beyond them."""
        gap = (q_BHCQ[..., 1:] - q_BHCQ[..., :-1]).clamp(min=torch.finfo(torch.float32).tiny)
        share = ((x_BHC[..., None] - q_BHCQ[..., :-1]) / gap).clamp(0.0, 1.0)
        below = self.levels_Q[0] + (share * self.levels_Q.diff()).sum(-1)
        return -below.logit()


def interpolate(levels: tuple[float, ...], level: float) -> list[float]:
    """Weights [Q] of the quantiles at some levels that give the one at another, between them."""
    above = next(i for i, stated in enumerate(levels) if stated >= level)
    weights = [0.0] * len(levels)
    weights[above] = 1.0
    if levels[above] > level:
        weights[above] = (level - levels[above - 1]) / (levels[above] - levels[above - 1])
        weights[above - 1] = 1.0 - weights[above]
    return weights


class Free(nn.Module):
    """Quantiles without a prior: a median and softplus gaps outwards, so they cannot cross."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.numbers = len(levels)
        self.middle = min(range(len(levels)), key=lambda i: abs(levels[i] - 0.5))

    def forward(
        self, raw: Raw, prior_BHC: Tensor, unit_BHC: Tensor, anchor: AnchorInputs | None
    ) -> Output:
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
