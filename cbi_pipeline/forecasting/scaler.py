"""Masked standardisation, fitted on training rows and carried by the network."""

from collections.abc import Iterator
from typing import NamedTuple, Self

import torch
from torch import Tensor

from cbi_pipeline.forecasting.panel import Panel

LIMIT = 10.0
"""Standardised inputs are kept within this many standard deviations."""

_CHUNK = 1 << 14


class Moments(NamedTuple):
    """Mean and reciprocal standard deviation of features and of log(1 + age).

    A reciprocal of 0 marks a column that training never saw vary: only its mask speaks.
    """

    mean_F: Tensor
    inverse_F: Tensor
    age_mean_G: Tensor
    age_inverse_G: Tensor


class Scaler(torch.nn.Module):
    """Turns raw features, mask and ages into one standardised input.

    Shapes: [..., F], [..., F], [..., G] to [..., 2F + G].
    """

    mean_F: Tensor
    inverse_F: Tensor
    age_mean_G: Tensor
    age_inverse_G: Tensor

    def __init__(self, features: int, groups: int) -> None:
        super().__init__()
        self.width = 2 * features + groups
        self.register_buffer("mean_F", torch.zeros(features))
        self.register_buffer("inverse_F", torch.ones(features))
        self.register_buffer("age_mean_G", torch.zeros(groups))
        self.register_buffer("age_inverse_G", torch.ones(groups))

    def load(self, moments: Moments) -> Self:
        """Takes over fitted moments."""
        for name, value in moments._asdict().items():
            getattr(self, name).copy_(value)
        return self

    def forward(self, values: Tensor, mask: Tensor, age: Tensor) -> Tensor:
        """Standardised values (0 where absent), the mask as 0/1, standardised ages."""
        present = mask.to(values.dtype)
        scaled = ((values - self.mean_F) * self.inverse_F).clamp(-LIMIT, LIMIT) * present
        ages = ((age.log1p() - self.age_mean_G) * self.age_inverse_G).clamp(-LIMIT, LIMIT)
        return torch.cat([scaled, present, ages], dim=-1)


def fit_moments(panel: Panel, rows_N: Tensor) -> Moments:
    """Masked mean and standard deviation over the given rows only, in float64.

    Raises:
        ValueError: a feature is present in every row and never varies.
    """
    mean, spread, everywhere = _masked_moments(panel.values_RF, panel.mask_RF, rows_N)
    if names := _names(panel, (spread == 0) & everywhere):
        raise ValueError(
            f"values_RF: {names} have zero variance on the training rows; "
            "drop them from the feature set or train on a longer history"
        )
    age_mean, age_spread, _ = _masked_moments(panel.age_RG, None, rows_N, log=True)
    moments = (mean, _reciprocal(spread), age_mean, _reciprocal(age_spread))
    return Moments(*(m.float() for m in moments))


def constant_features(panel: Panel, rows_N: Tensor) -> list[str]:
    """Features that are present in every one of some rows and never vary, so none can learn."""
    _, spread, everywhere = _masked_moments(panel.values_RF, panel.mask_RF, rows_N)
    return _names(panel, (spread == 0) & everywhere)


def _names(panel: Panel, chosen_F: Tensor) -> list[str]:
    return [panel.spec.features[i] for i in chosen_F.nonzero().flatten().tolist()]


def _masked_moments(
    table: Tensor, mask: Tensor | None, rows_N: Tensor, *, log: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, spread, and whether every row is present, column by column, in two passes."""

    def pieces() -> Iterator[tuple[Tensor, Tensor]]:
        for rows in rows_N.split(_CHUNK):  # float64 copies of a piece, never of the panel
            x = table.index_select(0, rows).double()
            yield (
                x.log1p() if log else x,
                torch.ones_like(x) if mask is None else mask.index_select(0, rows).double(),
            )

    zero = torch.zeros(table.shape[1], dtype=torch.float64, device=table.device)
    count = sum((m.sum(dim=0) for _, m in pieces()), zero)
    share = 1.0 / count.clamp(min=1)
    mean = sum(((x * m).sum(dim=0) for x, m in pieces()), zero) * share
    variance = sum((((x - mean).square() * m).sum(dim=0) for x, m in pieces()), zero) * share
    spread = variance.sqrt()
    # Rounding leaves a trace of variance in a constant column of large numbers.
    spread = torch.where(spread > 1e-9 * mean.abs(), spread, 0.0)
    return mean, spread, count == rows_N.numel()


def _reciprocal(spread: Tensor) -> Tensor:
    return torch.where(spread > 0, 1.0 / spread, 0.0)
