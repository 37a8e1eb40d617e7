"""Cross-commodity attention: every commodity's state asks those of all that have a row."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from cbi_pipeline.forecasting.declarations import Count, ShareBelowOne
from cbi_pipeline.forecasting.networks import initialise
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig


@dataclass(frozen=True, kw_only=True)
class CrossConfig(EncoderConfig, kind="cross"):
    """A shared recurrent encoder per commodity, then attention among commodities (joint mode).

    Attributes:
        encoder: over each commodity's own window; its width must divide by `heads`.
        heads: attention heads.
        dropout: on attention weights.
    """

    needs_joint: ClassVar[bool] = True
    encoder: RecurrentConfig = field(default_factory=RecurrentConfig)
    heads: Count = 4
    dropout: ShareBelowOne = 0.1

    def check(self) -> None:
        """Heads share the width evenly."""
        width = self.encoder.hidden * (2 if self.encoder.cell == "bilstm" else 1)
        if width % self.heads:
            raise ValueError(f"CrossConfig: width {width} is not a multiple of heads {self.heads}")

    def build(self, inputs: int, window: int, horizons: int) -> "CrossEncoder":
        """The encoder for `inputs` channels; any window length will do."""
        return CrossEncoder(self, inputs, window, horizons)


class CrossEncoder(nn.Module):
    """[B, T, C, I] to [B, C, E]."""

    def __init__(self, config: CrossConfig, inputs: int, window: int, horizons: int) -> None:
        super().__init__()
        self.encoder = config.encoder.build(inputs, window, horizons)
        self.width, self.heads, self.rate = self.encoder.width, config.heads, config.dropout
        self.norm = nn.LayerNorm(self.width)
        self.qkv = initialise.output(nn.Linear(self.width, 3 * self.width))
        self.mix = initialise.output(nn.Linear(self.width, self.width))

    def forward(self, x_BTCI: Tensor, present_BC: Tensor) -> Tensor:
        """Adds to each commodity's state what it learns from those that are present."""
        batch, window, commodities, width = x_BTCI.shape
        x_NTI = x_BTCI.transpose(1, 2).reshape(batch * commodities, window, width)
        h_BCE = self.encoder(x_NTI).view(batch, commodities, -1)
        qkv = self.qkv(self.norm(h_BCE)).unflatten(-1, (3, self.heads, -1))
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        own = torch.eye(commodities, dtype=torch.bool, device=x_BTCI.device)
        # Always allowing oneself keeps the softmax of an absent commodity finite.
        allowed = (present_BC[:, None, None, :] | own).expand(-1, self.heads, -1, -1)
        rate = self.rate if self.training else 0.0
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=allowed, dropout_p=rate)
        out: Tensor = h_BCE + self.mix(mixed.transpose(1, 2).flatten(2))
        return out
