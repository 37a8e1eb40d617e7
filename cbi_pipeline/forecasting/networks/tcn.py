"""Temporal convolutional network: causal, dilated, residual (Bai, Kolter and Koltun, 2018)."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from cbi_pipeline.forecasting.declarations import Count, Range, ShareBelowOne
from cbi_pipeline.forecasting.networks import initialise
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig


@dataclass(frozen=True, kw_only=True)
class TcnConfig(EncoderConfig, kind="tcn"):
    """A stack of causal blocks with dilations 1, 2, 4, ...

    Attributes:
        hidden: channels.
        kernel: taps of each convolution.
        blocks: residual blocks of two convolutions; the last step sees
            1 + 2 (kernel - 1) (2^blocks - 1) rows.
        dropout: after each convolution.
    """

    hidden: Count = 32
    kernel: Annotated[int, Range(at_least=2)] = 3
    blocks: Count = 4
    dropout: ShareBelowOne = 0.1

    def build(self, inputs: int, window: int, horizons: int) -> "TcnEncoder":
        """The encoder for `inputs` channels; any window length will do."""
        return TcnEncoder(self, inputs)


class TcnEncoder(nn.Module):
    """[N, T, I] to the state of the newest step [N, hidden]."""

    def __init__(self, config: TcnConfig, inputs: int) -> None:
        super().__init__()
        self.width = config.hidden
        self.sees = 1 + 2 * (config.kernel - 1) * (2**config.blocks - 1)
        widths = [inputs] + [config.hidden] * config.blocks
        self.blocks = nn.ModuleList(
            CausalBlock(widths[i], config.hidden, config.kernel, 2**i, config.dropout)
            for i in range(config.blocks)
        )

    def forward(self, x_NTI: Tensor) -> Tensor:
        """The newest step; it never depends on anything to its right."""
        x_NTI = x_NTI[:, -self.sees :]
        for block in self.blocks:
            x_NTI = block(x_NTI)
        return x_NTI[:, -1]


class CausalConvolution(nn.Module):
    """[N, T, I] to [N, T, O], step t from steps t, t - dilation, ... of a left-padded input.

    One matrix product over the taps side by side: a few channels make it faster than a
    convolution kernel, and members of an ensemble stack into one batched product.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.offsets = [tap * dilation for tap in range(kernel)]
        self.taps = initialise.before_relu(nn.Linear(kernel * inputs, outputs))

    def forward(self, x_NTI: Tensor) -> Tensor:
        """Padded on the left only, so step t sees steps up to t."""
        steps = x_NTI.shape[1]
        padded = pad(x_NTI, (0, 0, self.offsets[-1], 0))
        out: Tensor = self.taps(torch.cat([padded[:, o : o + steps] for o in self.offsets], dim=-1))
        return out


class CausalBlock(nn.Module):
    """Two causal convolutions and a shortcut, [N, T, I] to [N, T, O]."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, dilation: int, dropout: float
    ) -> None:
        super().__init__()
        self.first = CausalConvolution(inputs, outputs, kernel, dilation)
        self.second = CausalConvolution(outputs, outputs, kernel, dilation)
        self.shortcut = nn.Linear(inputs, outputs) if inputs != outputs else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_NTI: Tensor) -> Tensor:
        """Step t sees steps up to t."""
        y = self.dropout(self.first(x_NTI).relu())
        y = self.dropout(self.second(y).relu())
        out: Tensor = (y + self.shortcut(x_NTI)).relu()
        return out
