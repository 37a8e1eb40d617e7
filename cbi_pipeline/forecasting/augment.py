"""Augmentation of training windows on the device, per sample, never of the newest row's values.

Everything runs along the time axis of [B, T, C, F]. Mixup alone blends whole windows, and then
the losses of both targets, each with its weight. Random numbers come from an own generator.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from cbi_pipeline.forecasting.config import Config
from cbi_pipeline.forecasting.declarations import Items, Label, Natural, NotNegative, Share
from cbi_pipeline.forecasting.windows import AnchorInputs, Batch, Inputs, WindowSampler


@dataclass(frozen=True)
class AugmentConfig(Config):
    """What may be done to a sample; zeros leave a technique out.

    Attributes:
        probability: that a sample is augmented at all.
        features: names that jitter and scaling may touch; leave out flags and anything whose
            level the target depends on.
        jitter: normal noise, in standard deviations of the training rows.
        scaling: one factor per sample, uniform in 1 - scaling to 1 + scaling.
        time_mask: longest run of rows that is hidden.
        feature_mask: probability that a feature is hidden before the newest row.
        slice: largest share of the window's oldest rows that is hidden.
        shift: most rows by which all but the newest row slide back into true history.
        mixup: parameter of the symmetric Beta weight for blending two samples of one commodity.
    """

    probability: Share = 0.5
    features: Annotated[tuple[Label, ...], Items(order="distinct")] = ()
    jitter: NotNegative = 0.0
    scaling: Share = 0.0
    time_mask: Natural = 0
    feature_mask: Share = 0.0
    slice: Share = 0.0
    shift: Natural = 0
    mixup: NotNegative = 0.0

    def check(self) -> None:
        """Jitter and scaling need features that they may touch."""
        if (self.jitter or self.scaling) and not self.features:
            raise ValueError("AugmentConfig.features: name what jitter and scaling may touch")


class Augmented:
    """A sampler whose batches are augmented; the sampler itself stays as it is."""

    def __init__(
        self,
        config: AugmentConfig,
        sampler: WindowSampler,
        inverse_F: Tensor,
        generator: torch.Generator,
    ) -> None:
        names = sampler.panel.spec.features
        unknown = set(config.features) - set(names)
        if unknown:
            raise ValueError(f"AugmentConfig.features: {sorted(unknown)} are not in the panel")
        self.config, self.sampler, self.generator = config, sampler, generator
        self.touched_F = torch.tensor([n in config.features for n in names]).to(inverse_F.device)
        self.spread_F = torch.where(inverse_F > 0, 1.0 / inverse_F, 0.0)

    def batch(self, index_B: Tensor) -> Batch:
        """The samples `index_B`, augmented; targets are those of the samples themselves."""
        config, size = self.config, index_B.shape[0]
        chosen_B = self._uniform(size) < config.probability
        shift_B = None
        if config.shift:
            shift_B = (self._uniform(size) * (config.shift + 1)).long() * chosen_B
        batch = self.sampler.batch(index_B, shift_B)
        inputs = batch.inputs
        if config.jitter or config.scaling:
            inputs = self._noise(inputs, chosen_B)
        if config.time_mask or config.feature_mask or config.slice:
            inputs = self._hide(inputs, chosen_B)
        batch = batch._replace(inputs=inputs)
        return self._mix(batch, chosen_B) if config.mixup else batch

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def _noise(self, inputs: Inputs, chosen_B: Tensor) -> Inputs:
        values = inputs.values_BTCF
        noise = torch.randn(values.shape, generator=self.generator, device=values.device)
        factor_B = 1.0 + self.config.scaling * (2.0 * self._uniform(values.shape[0]) - 1.0)
        changed = values * _expand(factor_B) + self.config.jitter * self.spread_F * noise
        allowed = _expand(chosen_B) & self.touched_F & inputs.mask_BTCF & _mask_older(values)
        return inputs._replace(values_BTCF=torch.where(allowed, changed, values))

    def _hide(self, inputs: Inputs, chosen_B: Tensor) -> Inputs:
        values, config = inputs.values_BTCF, self.config
        size, window, _, features = values.shape
        t_T = torch.arange(window, device=values.device)
        length_B = self._uniform(size) * (config.time_mask + 1)
        start_B = self._uniform(size) * window
        run_BT = (t_T >= start_B[:, None]) & (t_T < (start_B + length_B.floor())[:, None])
        cut_BT = t_T < (self._uniform(size) * config.slice * window).floor()[:, None]
        column_BF = self._uniform(size, features) < config.feature_mask
        hidden = (run_BT | cut_BT)[:, :, None, None] | column_BF[:, None, None, :]
        kept = ~(hidden & _expand(chosen_B) & _mask_older(values))
        return inputs._replace(values_BTCF=values * kept, mask_BTCF=inputs.mask_BTCF & kept)

    def _mix(self, batch: Batch, chosen_B: Tensor) -> Batch:
        """Blends each chosen sample with a partner, wherever both have a value."""
        partner_B = self._partners(batch.inputs.commodity_BC)
        alpha = torch.full((partner_B.shape[0], 2), self.config.mixup, device=partner_B.device)
        drawn_B = torch._sample_dirichlet(alpha, self.generator)[:, 0]
        share_B = torch.where(chosen_B, drawn_B, 1.0)
        first, other = batch.inputs, batch.inputs.each(lambda x: x[partner_B])
        both = first.mask_BTCF & other.mask_BTCF
        inputs = first._replace(
            values_BTCF=torch.where(
                both, _blend(first.values_BTCF, other.values_BTCF, share_B), first.values_BTCF
            ),
            age_BTCG=_blend(first.age_BTCG, other.age_BTCG, share_B),
            variance_BC2=_blend(first.variance_BC2, other.variance_BC2, share_B),
            anchor=_blend_anchors(first.anchor, other.anchor, share_B),
        )
        shared_BHC = batch.weight_BHC * batch.weight_BHC[partner_B]
        weight_BHC = shared_BHC * (1.0 - share_B)[:, None, None]
        return Batch(
            inputs,
            batch.target_BHC,
            batch.weight_BHC - weight_BHC,
            (batch.target_BHC[partner_B], weight_BHC),
        )

    def _partners(self, commodity_BC: Tensor) -> Tensor:
        """A random other sample of the same commodity (pooled), or the sample itself."""
        size = commodity_BC.shape[0]
        key_B = self._uniform(size) + (commodity_BC[:, 0] if commodity_BC.shape[1] == 1 else 0)
        order = key_B.argsort()
        partner = torch.empty_like(order).scatter_(0, order, order.roll(-1))
        alike = (commodity_BC[partner] == commodity_BC).all(dim=1)
        return torch.where(alike, partner, torch.arange(size, device=order.device))


def _expand(x_B: Tensor) -> Tensor:
    return x_B[:, None, None, None]


def _mask_older(values_BTCF: Tensor) -> Tensor:
    """[T, 1, 1], True for all rows but the newest."""
    window = values_BTCF.shape[1]
    return (torch.arange(window, device=values_BTCF.device) < window - 1)[:, None, None]


def _blend_anchors(
    a: AnchorInputs | None, b: AnchorInputs | None, share_B: Tensor
) -> AnchorInputs | None:
    if a is None or b is None:
        return None
    return AnchorInputs(*(_blend(x, y, share_B) for x, y in zip(a, b, strict=True)))


def _blend(a: Tensor, b: Tensor, share_B: Tensor) -> Tensor:
    share = share_B.view(-1, *[1] * (a.ndim - 1))
    return share * a + (1.0 - share) * b
