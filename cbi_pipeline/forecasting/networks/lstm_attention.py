"""The recipe network: point-wise extractor, LSTM, self-attention, last-step readout, own heads."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from cbi_pipeline.forecasting.declarations import Count, Range, ShareBelowOne
from cbi_pipeline.forecasting.networks import initialise
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig
from cbi_pipeline.forecasting.networks.output import Raw


@dataclass(frozen=True, kw_only=True)
class RecipeConfig(EncoderConfig, kind="recipe"):
    """The recipe's network; the defaults are the recipe's values.

    Attributes:
        extractor: width of the extractor's first layer.
        extractor_dropout: after the extractor's first layer.
        hidden: width of extractor, LSTM and attention; a multiple of `heads`.
        layers: LSTM layers.
        dropout: between LSTM layers.
        attention: self-attention over time, added to the LSTM's output.
        heads: attention heads.
        attention_dropout: on attention weights.
        head_dropout: in the horizon heads.
    """

    extractor: Count = 128
    extractor_dropout: ShareBelowOne = 0.1
    hidden: Annotated[int, Range(at_least=2)] = 256
    layers: Count = 3
    dropout: ShareBelowOne = 0.2
    attention: bool = True
    heads: Count = 8
    attention_dropout: ShareBelowOne = 0.1
    head_dropout: ShareBelowOne = 0.1

    def check(self) -> None:
        """Heads share the width evenly."""
        if self.attention and self.hidden % self.heads:
            raise ValueError(
                f"RecipeConfig: hidden {self.hidden} is not a multiple of heads {self.heads}"
            )

    def build(self, inputs: int, window: int, horizons: int) -> "RecipeEncoder":
        """The encoder for `inputs` channels; any window length will do."""
        return RecipeEncoder(self, inputs)


class RecipeEncoder(nn.Module):
    """[N, T, I] to the state of the newest step [N, hidden]."""

    def __init__(self, config: RecipeConfig, inputs: int) -> None:
        super().__init__()
        self.width = config.hidden
        self.extractor = nn.Sequential(
            initialise.before_relu(nn.Linear(inputs, config.extractor)),
            nn.LayerNorm(config.extractor),
            nn.ReLU(),
            nn.Dropout(config.extractor_dropout),
            initialise.before_relu(nn.Linear(config.extractor, config.hidden)),
            nn.LayerNorm(config.hidden),
            nn.ReLU(),
        )
        dropout = config.dropout if config.layers > 1 else 0.0
        lstm = nn.LSTM(
            config.hidden, config.hidden, config.layers, batch_first=True, dropout=dropout
        )
        self.lstm = initialise.recurrent(lstm)
        self.attention = _attention(config) if config.attention else None

    def forward(self, x_NTI: Tensor) -> Tensor:
        """The newest step alone asks: one query gives the same readout as T queries."""
        y_NTE: Tensor = self.lstm(self.extractor(x_NTI))[0]
        newest_N1E = y_NTE[:, -1:]
        if self.attention is not None:
            newest_N1E = (
                newest_N1E + self.attention(newest_N1E, y_NTE, y_NTE, need_weights=False)[0]
            )
        return newest_N1E[:, 0]

    def attention_weights(self, x_NTI: Tensor) -> Tensor:
        """Causal attention [N, T, T], averaged over heads; row t is what step t looks at.

        Raises:
            ValueError: the network was built without attention.
        """
        if self.attention is None:
            raise ValueError("attention_weights: this network was built with attention=False")
        y_NTE, _ = self.lstm(self.extractor(x_NTI))
        steps = x_NTI.shape[1]
        later = torch.ones(steps, steps, dtype=torch.bool, device=x_NTI.device).triu(1)
        weights: Tensor = self.attention(y_NTE, y_NTE, y_NTE, attn_mask=later)[1]
        return weights


class RecipeHeads(nn.Module):
    """One head per horizon for all commodities, confidence per horizon, volatility per commodity.

    Each sample is one commodity's window; its own column of every head is read out. An anchored
    head starts at zero.
    """

    def __init__(
        self, config: RecipeConfig, horizons: int, commodities: int, numbers: int, *, anchored: bool
    ) -> None:
        super().__init__()
        last = initialise.zero if anchored else initialise.output
        self.commodities, self.numbers = commodities, numbers
        half = config.hidden // 2
        self.horizons = nn.ModuleList(
            nn.Sequential(
                initialise.before_relu(nn.Linear(config.hidden, half)),
                nn.ReLU(),
                nn.Dropout(config.head_dropout),
                last(nn.Linear(half, commodities * numbers)),
            )
            for _ in range(horizons)
        )
        self.confidence = last(nn.Linear(config.hidden, horizons))
        self.volatility = last(nn.Linear(config.hidden, commodities))

    def forward(self, h_BCE: Tensor, commodity_BC: Tensor) -> Raw:
        """h_BCE is the encoder's readout per commodity; every head says a word about its own."""
        own = torch.nn.functional.one_hot(commodity_BC, self.commodities).to(h_BCE.dtype)
        shape = torch.stack([head(h_BCE) for head in self.horizons], dim=1)
        shape_BHCKX = shape.unflatten(-1, (self.numbers, self.commodities))
        shape_BHCK = (shape_BHCKX * own[:, None, :, None, :]).sum(-1)
        up_BHC = self.confidence(h_BCE).transpose(1, 2)
        vol_BC = (self.volatility(h_BCE) * own).sum(-1)
        return Raw(shape_BHCK, up_BHC, vol_BC[:, None, :].expand_as(up_BHC))


def _attention(config: RecipeConfig) -> nn.MultiheadAttention:
    attention = nn.MultiheadAttention(
        config.hidden, config.heads, dropout=config.attention_dropout, batch_first=True
    )
    initialise.output(attention.out_proj)
    return attention
