"""Temporal convolutional network: causal, dilated, residual (Bai, Kolter and Koltun, 2018)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import pad

from cbi_pipeline.forecasting.networks import initialise


@dataclass(frozen=True)
class TcnConfig:
    """A stack of causal blocks with dilations 1, 2, 4, ...

    Attributes:
        hidden: channels.
        kernel: taps of each convolution.
        blocks: residual blocks of two convolutions; the last step sees
            1 + 2 (kernel - 1) (2^blocks - 1) rows.
        dropout: after each convolution.
    """

    kind: Literal["tcn"] = "tcn"
    hidden: int = 32
    kernel: int = 3
    blocks: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.hidden, self.blocks) < 1 or self.kernel < 2:
            raise ValueError("TcnConfig: hidden and blocks at least 1, kernel at least 2")

    def build(self, inputs: int, window: int, horizons: int) -> "TcnEncoder":
        """The encoder for `inputs` channels; any window length will do."""
        return TcnEncoder(self, inputs)


class TcnEncoder(nn.Module):
    """[N, T, I] to the state of the newest step [N, hidden]."""

    def __init__(self, config: TcnConfig, inputs: int) -> None:
        super().__init__()
        self.width = config.hidden
        widths = [inputs] + [config.hidden] * config.blocks
        self.blocks = nn.ModuleList(
            CausalBlock(widths[i], config.hidden, config.kernel, 2**i, config.dropout)
            for i in range(config.blocks)
        )

    def forward(self, x_NTI: Tensor) -> Tensor:
        """The newest step; it never depends on anything to its right."""
        x_NIT = x_NTI.transpose(1, 2)
        for block in self.blocks:
            x_NIT = block(x_NIT)
        return x_NIT[..., -1]


class CausalBlock(nn.Module):
    """Two causal convolutions and a shortcut, [N, I, T] to [N, O, T]."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, dilation: int, dropout: float
    ) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.first = initialise.before_relu(nn.Conv1d(inputs, outputs, kernel, dilation=dilation))
        self.second = initialise.before_relu(nn.Conv1d(outputs, outputs, kernel, dilation=dilation))
        self.shortcut = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_NIT: Tensor) -> Tensor:
        """Padded on the left only, so step t sees steps up to t."""
        y = self.dropout(self.first(pad(x_NIT, (self.reach, 0))).relu())
        y = self.dropout(self.second(pad(y, (self.reach, 0))).relu())
        out: Tensor = (y + self.shortcut(x_NIT)).relu()
        return out
