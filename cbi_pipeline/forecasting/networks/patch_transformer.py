"""Transformer encoder over patches of the window (after Nie et al., 2023), fused attention."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import gelu, pad, scaled_dot_product_attention

from cbi_pipeline.forecasting.declarations import Count, ShareBelowOne
from cbi_pipeline.forecasting.networks import initialise
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig


@dataclass(frozen=True, kw_only=True)
class PatchTransformerConfig(EncoderConfig, kind="patch_transformer"):
    """A pre-norm Transformer encoder whose tokens are patches of all channels together.

    Attributes:
        hidden: token width; a multiple of `heads`.
        heads: attention heads.
        layers: encoder layers.
        patch: rows per patch; patches do not overlap and the last one ends at the newest row.
        dropout: in attention and after each sub-layer.
    """

    hidden: Count = 32
    heads: Count = 4
    layers: Count = 2
    patch: Count = 8
    dropout: ShareBelowOne = 0.1

    def check(self) -> None:
        """Heads share the width evenly."""
        if self.hidden % self.heads:
            raise ValueError(
                f"PatchTransformerConfig: hidden {self.hidden} is not a multiple of heads "
                f"{self.heads}"
            )

    def build(self, inputs: int, window: int, horizons: int) -> "PatchTransformerEncoder":
        """The encoder for windows of exactly `window` rows."""
        return PatchTransformerEncoder(self, inputs, window)


class PatchTransformerEncoder(nn.Module):
    """[N, T, I] to the state of the newest patch [N, hidden]."""

    def __init__(self, config: PatchTransformerConfig, inputs: int, window: int) -> None:
        super().__init__()
        self.width, self.patch = config.hidden, config.patch
        tokens = -(-window // config.patch)
        self.missing = tokens * config.patch - window
        self.embed = initialise.output(nn.Linear(config.patch * inputs, config.hidden))
        self.place = nn.Embedding(tokens, config.hidden)
        nn.init.normal_(self.place.weight, std=0.02)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.hidden)

    def forward(self, x_NTI: Tensor) -> Tensor:
        """The last token, which holds the newest rows; the oldest patch is padded with zeros."""
        x_NTI = pad(x_NTI, (0, 0, self.missing, 0))
        x_NPE = self.embed(x_NTI.unflatten(1, (-1, self.patch)).flatten(2)) + self.place.weight
        for layer in self.layers:
            x_NPE = layer(x_NPE)
        newest: Tensor = self.norm(x_NPE[:, -1])
        return newest


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward part, each normalised first and added."""

    def __init__(self, config: PatchTransformerConfig) -> None:
        super().__init__()
        width = config.hidden
        self.heads, self.rate = config.heads, config.dropout
        self.before_attention, self.before_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = initialise.output(nn.Linear(width, 3 * width))
        self.mix = initialise.output(nn.Linear(width, width))
        self.widen = initialise.before_relu(nn.Linear(width, 4 * width))
        self.narrow = initialise.output(nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_NPE: Tensor) -> Tensor:
        """Same shape."""
        x_NPE = x_NPE + self.dropout(self._attend(self.before_attention(x_NPE)))
        wide = gelu(self.widen(self.before_forward(x_NPE)))
        out: Tensor = x_NPE + self.dropout(self.narrow(wide))
        return out

    def _attend(self, x_NPE: Tensor) -> Tensor:
        qkv = self.qkv(x_NPE).unflatten(-1, (3, self.heads, -1))
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        rate = self.rate if self.training else 0.0
        mixed = scaled_dot_product_attention(q, k, v, dropout_p=rate)
        out: Tensor = self.mix(mixed.transpose(1, 2).flatten(2))
        return out
