"""N-HiTS: multi-rate pooling, residual backcasts, hierarchical interpolation (Challu et al., 2023).

Three changes for this task: the window has many channels, of which every block explains a part;
a block's forecast is a state per horizon rather than a value; and horizons stand at equal
distances, because their number of sessions differs between commodities.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool1d, pad

from cbi_pipeline.forecasting.declarations import Count, Items, ShareBelowOne
from cbi_pipeline.forecasting.networks import initialise
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig


@dataclass(frozen=True, kw_only=True)
class NhitsConfig(EncoderConfig, kind="nhits"):
    """One block per pooling width, coarse to fine.

    Attributes:
        hidden: width of each block's perceptron.
        state: numbers per horizon that the blocks add up.
        pools: rows pooled together in each block, largest first.
        dropout: in the perceptrons.
    """

    hidden: Count = 64
    state: Count = 8
    pools: Annotated[tuple[Count, ...], Items(at_least=1, order="never increasing")] = (8, 4, 1)
    dropout: ShareBelowOne = 0.1

    def build(self, inputs: int, window: int, horizons: int) -> "NhitsEncoder":
        """The encoder for windows of exactly `window` rows."""
        return NhitsEncoder(self, inputs, window, horizons)


class NhitsEncoder(nn.Module):
    """[N, T, I] to [N, H * state], the sum of all blocks' forecasts."""

    def __init__(self, config: NhitsConfig, inputs: int, window: int, horizons: int) -> None:
        super().__init__()
        self.width = horizons * config.state
        last = len(config.pools) - 1  # nobody reads what the last block leaves unexplained
        self.blocks = nn.ModuleList(
            Block(config, pool, inputs, window, horizons, backcasts=i < last)
            for i, pool in enumerate(config.pools)
        )

    def forward(self, x_NTI: Tensor) -> Tensor:
        """Each block sees what the earlier ones left unexplained."""
        residual_NIT = x_NTI.transpose(1, 2)
        total = x_NTI.new_zeros(x_NTI.shape[0], self.width)
        for block in self.blocks:
            backcast_NIT, forecast = block(residual_NIT)
            if backcast_NIT is not None:
                residual_NIT = residual_NIT - backcast_NIT
            total = total + forecast
        return total


class Block(nn.Module):
    """One rate: pool, perceptron, and coefficients at as many knots as the rate allows."""

    back_KT: Tensor
    fore_KH: Tensor

    def __init__(
        self,
        config: NhitsConfig,
        pool: int,
        inputs: int,
        window: int,
        horizons: int,
        *,
        backcasts: bool,
    ) -> None:
        super().__init__()
        self.pool, self.inputs, self.state = pool, inputs, config.state
        knots = -(-window // pool)
        self.missing = knots * pool - window
        fore_knots = max(1, min(horizons, -(-horizons // pool)))
        self.register_buffer("back_KT", interpolation(knots, window), persistent=False)
        self.register_buffer("fore_KH", interpolation(fore_knots, horizons), persistent=False)
        self.body = nn.Sequential(
            initialise.before_relu(nn.Linear(inputs * knots, config.hidden)),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            initialise.before_relu(nn.Linear(config.hidden, config.hidden)),
            nn.ReLU(),
        )
        self.backcast: nn.Linear | None = None
        if backcasts:
            self.backcast = initialise.output(nn.Linear(config.hidden, inputs * knots))
        self.forecast = initialise.output(nn.Linear(config.hidden, config.state * fore_knots))

    def forward(self, x_NIT: Tensor) -> tuple[Tensor | None, Tensor]:
        """Backcast [N, I, T], if any, and forecast [N, H * state]; pools end at the newest row."""
        padded = pad(x_NIT, (self.missing, 0), value=float("-inf"))
        pooled = max_pool1d(padded, self.pool)
        theta = self.body(pooled.flatten(1))
        fore = self.forecast(theta).unflatten(-1, (self.state, -1)) @ self.fore_KH
        if self.backcast is None:
            return None, fore.flatten(1)
        back = self.backcast(theta).unflatten(-1, (self.inputs, -1)) @ self.back_KT
        return back, fore.flatten(1)


def interpolation(knots: int, points: int) -> Tensor:
    """[knots, points] weights of linear interpolation over equal spacing, ends included."""
    if knots == 1:
        return torch.ones(1, points)
    position = torch.linspace(0, knots - 1, points)
    return (1.0 - (position[None, :] - torch.arange(knots)[:, None]).abs()).clamp(min=0.0)
