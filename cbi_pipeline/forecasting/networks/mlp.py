"""Multi-layer perceptron over the flattened window."""

from dataclasses import dataclass

from torch import Tensor, nn

from cbi_pipeline.forecasting.declarations import Count, ShareBelowOne
from cbi_pipeline.forecasting.networks import initialise
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig


@dataclass(frozen=True, kw_only=True)
class MlpConfig(EncoderConfig, kind="mlp"):
    """A plain perceptron.

    Attributes:
        hidden: width of every layer.
        layers: number of layers, each linear, LayerNorm, ReLU, dropout.
        dropout: after every layer.
    """

    hidden: Count = 64
    layers: Count = 2
    dropout: ShareBelowOne = 0.1

    def build(self, inputs: int, window: int, horizons: int) -> "MlpEncoder":
        """The encoder for windows of exactly `window` rows."""
        return MlpEncoder(self, inputs, window)


class MlpEncoder(nn.Module):
    """[N, T, I] to [N, hidden]."""

    def __init__(self, config: MlpConfig, inputs: int, window: int) -> None:
        super().__init__()
        self.width = config.hidden
        widths = [inputs * window] + [config.hidden] * config.layers
        layers: list[nn.Module] = []
        for i in range(config.layers):
            # LayerNorm rather than batch statistics, which would mix dates.
            layers += [
                initialise.before_relu(nn.Linear(widths[i], config.hidden)),
                nn.LayerNorm(config.hidden),
                nn.ReLU(),
                nn.Dropout(config.dropout),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x_NTI: Tensor) -> Tensor:
        """The last layer's output."""
        out: Tensor = self.layers(x_NTI.flatten(1))
        return out
