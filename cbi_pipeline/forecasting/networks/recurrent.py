"""Recurrent encoders over a closed window: GRU, LSTM, vanilla RNN and bidirectional LSTM."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from cbi_pipeline.forecasting.declarations import Count, ShareBelowOne
from cbi_pipeline.forecasting.networks import initialise
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig(EncoderConfig, kind="recurrent"):
    """A recurrent encoder.

    Attributes:
        cell: kind of cell; "bilstm" reads the window both ways (it never looks past its end).
        hidden: width of the state.
        layers: stacked layers.
        dropout: between layers; has no effect on one layer.
    """

    cell: Literal["gru", "lstm", "rnn", "bilstm"] = "gru"
    hidden: Count = 32
    layers: Count = 1
    dropout: ShareBelowOne = 0.0

    def build(self, inputs: int, window: int, horizons: int) -> "RecurrentEncoder":
        """The encoder for `inputs` channels; any window length will do."""
        return RecurrentEncoder(self, inputs)


class RecurrentEncoder(nn.Module):
    """[N, T, I] to the final state [N, E]; E is twice the hidden width for "bilstm"."""

    def __init__(self, config: RecurrentConfig, inputs: int) -> None:
        super().__init__()
        self.both_ways = config.cell == "bilstm"
        kind = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN, "bilstm": nn.LSTM}[config.cell]
        dropout = config.dropout if config.layers > 1 else 0.0
        cell = kind(
            inputs,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=dropout,
            bidirectional=self.both_ways,
        )
        self.cell = initialise.recurrent(cell)
        self.width = config.hidden * (2 if self.both_ways else 1)

    def forward(self, x_NTI: Tensor) -> Tensor:
        """The state after the newest row; for "bilstm" each direction's own final state."""
        y_NTE: Tensor = self.cell(x_NTI)[0]
        if not self.both_ways:
            return y_NTE[:, -1]
        half = self.width // 2
        # The backward pass ends at the oldest row: its final state is there, not at the newest.
        return torch.cat([y_NTE[:, -1, :half], y_NTE[:, 0, half:]], dim=-1)
