"""The common heads: encoder state, newest row and commodity embedding to raw outputs."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from cbi_pipeline.forecasting.config import Config
from cbi_pipeline.forecasting.declarations import Count, Natural
from cbi_pipeline.forecasting.networks import initialise
from cbi_pipeline.forecasting.networks.output import Raw


@dataclass(frozen=True)
class HeadConfig(Config):
    """The heads over an encoder.

    Attributes:
        anchored: adjust the prior (True), or forecast without it (False).
        hidden: width of the shared layer.
        embedding: width of the commodity embedding; 0 for none.
        newest: also show the heads the newest input row itself.
    """

    anchored: bool = True
    hidden: Count = 32
    embedding: Natural = 4
    newest: bool = True


class Heads(nn.Module):
    """[B, C, E] states to raw outputs; the last layer of an anchored head starts at zero."""

    def __init__(
        self,
        config: HeadConfig,
        *,
        width: int,
        inputs: int,
        horizons: int,
        commodities: int,
        numbers: int,
    ) -> None:
        super().__init__()
        self.newest, self.horizons = config.newest, horizons
        self.embedding = nn.Embedding(commodities, config.embedding) if config.embedding else None
        seen = width + config.embedding + (inputs if config.newest else 0)
        self.hidden = initialise.before_relu(nn.Linear(seen, config.hidden))
        last = initialise.zero if config.anchored else initialise.output
        self.last = last(nn.Linear(config.hidden, horizons * (numbers + 2)))

    def forward(self, h_BCE: Tensor, newest_BCI: Tensor, commodity_BC: Tensor) -> Raw:
        """Raw outputs for every horizon."""
        seen = [h_BCE]
        if self.newest:
            seen.append(newest_BCI)
        if self.embedding is not None:
            seen.append(self.embedding(commodity_BC))
        out = self.last(gelu(self.hidden(torch.cat(seen, dim=-1))))
        out_BHCK = out.unflatten(-1, (self.horizons, -1)).transpose(1, 2)
        return Raw(out_BHCK[..., :-2], out_BHCK[..., -2], out_BHCK[..., -1])
