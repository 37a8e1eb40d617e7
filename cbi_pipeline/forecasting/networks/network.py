"""The whole network: scaler, encoder, heads and distribution, built from configurations."""

from typing import Self

import torch
from torch import Tensor, nn

from cbi_pipeline.forecasting import prior
from cbi_pipeline.forecasting.networks.cross import CrossEncoder
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig
from cbi_pipeline.forecasting.networks.heads import HeadConfig, Heads
from cbi_pipeline.forecasting.networks.lstm_attention import RecipeConfig, RecipeHeads
from cbi_pipeline.forecasting.networks.output import Free, Output, OverAnchor, OverPrior, Raw
from cbi_pipeline.forecasting.panel import Panel, PanelSpec
from cbi_pipeline.forecasting.scaler import Scaler, fit_moments
from cbi_pipeline.forecasting.windows import Inputs

FIRST_NAMES = {"shrinkage_CH": "trust_CH"}
"""What buffers are called in saved files, where that is another name."""


class Network(nn.Module):
    """Raw windows in, forecasts out; carries its scaler, so it needs nothing beside it.

    Shapes: `Inputs` with windows [B, T, C, F] to `Output` with quantiles [B, H, C, Q].
    """

    steps_CH: Tensor
    unit_CH: Tensor
    shrinkage_CH: Tensor

    def __init__(
        self,
        encoder: EncoderConfig,
        head: HeadConfig,
        levels: tuple[float, ...],
        spec: PanelSpec,
        window: int,
        *,
        has_anchor: bool = False,
    ) -> None:
        super().__init__()
        commodities, horizons = len(spec.commodities), len(spec.horizons)
        steps = torch.tensor(spec.steps, dtype=torch.float32)
        self.register_buffer("steps_CH", steps, persistent=False)
        self.register_buffer("unit_CH", torch.ones_like(steps))
        # Saved files call it by its first name, and their checksums cover names.
        self.register_state_dict_post_hook(_write_first_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_read_first_names)  # type: ignore[no-untyped-call]
        # Share of the heads' adjustments that is used, per commodity and horizon; see `fit`.
        self.register_buffer("shrinkage_CH", torch.ones_like(steps))
        self.scaler = Scaler(len(spec.features), len(spec.groups))
        # The recipe as written reads features alone; every other network also sees mask and ages.
        self.inputs = len(spec.features) if isinstance(encoder, RecipeConfig) else self.scaler.width
        self.encoder = encoder.build(self.inputs, window, horizons)
        self.anchored = head.anchored
        self.distribution = _choose_distribution(levels, head.anchored, has_anchor)
        numbers = self.distribution.numbers
        self.heads: RecipeHeads | Heads
        if isinstance(encoder, RecipeConfig):
            self.heads = RecipeHeads(
                encoder, horizons, commodities, numbers, anchored=head.anchored
            )
        else:
            self.heads = Heads(
                head,
                width=self.encoder.width,
                inputs=self.inputs,
                horizons=horizons,
                commodities=commodities,
                numbers=numbers,
            )

    def prepare(self, panel: Panel, train_rows_N: Tensor) -> Self:
        """Fits the scaler, and the target units of a free-form network, on training rows only."""
        self.scaler.load(fit_moments(panel, train_rows_N))
        if not self.anchored:
            self.unit_CH.copy_(target_units(panel, train_rows_N))
        return self

    def forward(self, inputs: Inputs) -> Output:
        """The forecast for a batch of windows."""
        return self.adjust(self.raw(inputs), inputs, self.shrinkage_CH)

    def raw(self, inputs: Inputs) -> Raw:
        """What encoder and heads say, before any of it is shrunk; float32."""
        x_BTCI = self.scaler(inputs.values_BTCF, inputs.mask_BTCF, inputs.age_BTCG)
        x_BTCI = x_BTCI[..., : self.inputs]
        h_BCE = self._encode(x_BTCI, inputs.mask_BTCF)
        raw = self._heads(h_BCE, x_BTCI[:, -1], inputs.commodity_BC)
        return Raw(*(x.float() for x in raw))  # heads may run in bfloat16, returns never do

    def adjust(self, raw: Raw, inputs: Inputs, shrinkage_CH: Tensor) -> Output:
        """The forecast when each commodity and horizon takes its share of the raw outputs."""
        share_BHC = shrinkage_CH[inputs.commodity_BC].transpose(1, 2)
        unit_BHC = self.unit_CH[inputs.commodity_BC].transpose(1, 2)
        shrunk = Raw(
            raw.shape_BHCK * share_BHC[..., None], raw.up_BHC * share_BHC, raw.vol_BHC * share_BHC
        )
        output: Output = self.distribution(
            shrunk, self.prior_scale(inputs), unit_BHC, inputs.anchor
        )
        return output

    def prior_scale(self, inputs: Inputs) -> Tensor:
        """[B, H, C] standard deviation of the prior over the sessions to each horizon."""
        steps_BHC = self.steps_CH[inputs.commodity_BC].transpose(1, 2)
        variance_BC = prior.one_session_variance(inputs.variance_BC2)
        return (steps_BHC * variance_BC[:, None, :]).sqrt()

    def _encode(self, x_BTCI: Tensor, mask_BTCF: Tensor) -> Tensor:
        if isinstance(self.encoder, CrossEncoder):
            h_BCE: Tensor = self.encoder(x_BTCI, mask_BTCF.any(dim=-1).any(dim=1))
            return h_BCE
        batch, window, commodities, width = x_BTCI.shape
        x_NTI = x_BTCI.transpose(1, 2).reshape(batch * commodities, window, width)
        h_NE: Tensor = self.encoder(x_NTI)
        return h_NE.view(batch, commodities, -1)

    def _heads(self, h_BCE: Tensor, newest_BCI: Tensor, commodity_BC: Tensor) -> Raw:
        raw: Raw = (
            self.heads(h_BCE, commodity_BC)
            if isinstance(self.heads, RecipeHeads)
            else self.heads(h_BCE, newest_BCI, commodity_BC)
        )
        return raw


def _write_first_names(
    module: nn.Module, state: dict[str, Tensor], prefix: str, metadata: object
) -> None:
    for name, first in FIRST_NAMES.items():
        state[prefix + first] = state.pop(prefix + name)


def _read_first_names(
    module: nn.Module, state: dict[str, Tensor], prefix: str, *rest: object
) -> None:
    for name, first in FIRST_NAMES.items():
        if prefix + first in state:
            state[prefix + name] = state.pop(prefix + first)


def _choose_distribution(
    levels: tuple[float, ...], is_anchored: bool, has_anchor: bool
) -> OverAnchor | OverPrior | Free:
    if has_anchor:
        return OverAnchor(levels)
    return OverPrior(levels) if is_anchored else Free(levels)


def target_units(panel: Panel, rows_N: Tensor) -> Tensor:
    """float32 [C, H], root mean square of the known targets among the rows.

    Raises:
        ValueError: a commodity and horizon has no target other than zero to learn a unit from.
    """
    commodities, horizons = len(panel.spec.commodities), len(panel.spec.horizons)
    total = torch.zeros(2, commodities, horizons, dtype=torch.float64, device=panel.device)
    commodity_N = panel.commodity_R[rows_N]
    mask = panel.target_mask_RH[rows_N].double()
    total[0].index_add_(0, commodity_N, panel.target_RH[rows_N].double().square() * mask)
    total[1].index_add_(0, commodity_N, mask)
    if not bool((total[0] > 0).all()):
        raise ValueError(
            "target_RH: a commodity has no moving target among the training rows; "
            "free-form networks need one for every commodity and horizon"
        )
    return (total[0] / total[1]).sqrt().float()
