"""The training objective: a weighted sum of losses over one network output."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from cbi_pipeline.forecasting.config import Config
from cbi_pipeline.forecasting.declarations import Items, Positive
from cbi_pipeline.forecasting.losses import direction, distribution, point, trading
from cbi_pipeline.forecasting.networks.output import Output

LossName = Literal[
    "pinball",
    "direction",
    "qlike",
    "gaussian",
    "student_t",
    "squared",
    "absolute",
    "huber",
    "log_cosh",
    "directional",
    "sharpe",
]


POINT_LOSSES = frozenset(
    {"squared", "absolute", "huber", "log_cosh", "directional", "sharpe", "gaussian", "student_t"}
)
"""Losses of the median, which the recipe must then forecast."""


@dataclass(frozen=True)
class Term(Config):
    """One loss and its weight in the sum.

    Attributes:
        loss: which.
        weight: its share before normalisation; weights need not sum to 1.
    """

    loss: LossName
    weight: Positive = 1.0


DEFAULT_TERMS = (Term("pinball"), Term("direction", 0.1), Term("qlike", 0.05))
"""Quantiles first; the direction and volatility heads learn beside them."""


@dataclass(frozen=True)
class ObjectiveConfig(Config):
    """A sum of terms.

    Attributes:
        terms: losses with their weights.
        uncertainty: learn how much to trust each term: sum of weight (exp(-s) L + s) with one
            trained s per term (Kendall, Gal and Cipolla, 2018).
    """

    terms: Annotated[tuple[Term, ...], Items(at_least=1)] = DEFAULT_TERMS
    uncertainty: bool = False

    def check(self) -> None:
        """No loss counts twice."""
        names = [term.loss for term in self.terms]
        if len(set(names)) != len(names):
            raise ValueError("ObjectiveConfig.terms: give at least one loss, each once")

    def build(self, levels: tuple[float, ...]) -> "Objective":
        """The objective for forecasts at these quantile levels."""
        return Objective(self, levels)


class Objective(nn.Module):
    """Losses of an output against returns, everything in units of the prior's scale.

    Dividing by the prior's scale lets a weekly retail price and a daily spot price share one sum.
    """

    levels_Q: Tensor

    def __init__(self, config: ObjectiveConfig, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.config = config
        self.middle = min(range(len(levels)), key=lambda i: abs(levels[i] - 0.5))
        self.register_buffer("levels_Q", torch.tensor(levels), persistent=False)
        self.log_trust = nn.ParameterList(
            nn.Parameter(torch.zeros(())) for _ in config.terms if config.uncertainty
        )

    def forward(
        self,
        output: Output,
        target_BHC: Tensor,
        weight_BHC: Tensor,
        prior_BHC: Tensor,
        count: Tensor,
    ) -> Tensor:
        """The training loss: a scalar. Elements are summed and divided by `count`.

        `weight_BHC` is 1 for targets that count, 0 for those that do not, or between for blended
        samples. `count` is the number of targets in the whole optimiser step, so that
        micro-batches of any size add up to the same gradient as one large batch.
        """
        losses = self.terms(output, target_BHC, weight_BHC, prior_BHC)
        weights = [term.weight for term in self.config.terms]
        sums = [loss.sum() / count for loss in losses]
        if self.config.uncertainty:
            share = weight_BHC.sum() / count
            sums = [
                (-s).exp() * total + s * share
                for s, total in zip(self.log_trust, sums, strict=True)
            ]
        return torch.stack([w * total for w, total in zip(weights, sums, strict=True)]).sum()

    def score(
        self, output: Output, target_BHC: Tensor, weight_BHC: Tensor, prior_BHC: Tensor
    ) -> Tensor:
        """The weighted losses [B, H, C], 0 where the weight is, without any learnt trust."""
        losses = self.terms(output, target_BHC, weight_BHC, prior_BHC)
        weights = [term.weight for term in self.config.terms]
        return torch.stack([w * x for w, x in zip(weights, losses, strict=True)]).sum(0)

    def terms(
        self, output: Output, target_BHC: Tensor, weight_BHC: Tensor, prior_BHC: Tensor
    ) -> list[Tensor]:
        """Each term's losses [B, H, C], 0 where the weight is.

        Raises:
            ValueError: target and forecast differ in shape.
        """
        if target_BHC.shape != output.up_BHC.shape:
            raise ValueError(
                f"target_BHC: shape {tuple(target_BHC.shape)}, the forecast has "
                f"{tuple(output.up_BHC.shape)}"
            )
        # Masked entries are made harmless before any loss sees them: 0 * NaN would be NaN.
        counts = weight_BHC > 0
        prior_BHC = torch.where(counts, prior_BHC, 1.0)
        y = torch.where(counts, target_BHC, 0.0) / prior_BHC
        q = output.q_BHCQ / prior_BHC[..., None]
        vol = output.vol_BHC / prior_BHC
        up = output.up_BHC
        return [
            self._term(term.loss, q, up, vol, y, weight_BHC) * weight_BHC
            for term in self.config.terms
        ]

    def _term(
        self, loss: LossName, q: Tensor, up: Tensor, vol: Tensor, y: Tensor, weight: Tensor
    ) -> Tensor:
        middle = q[..., self.middle]
        match loss:
            case "pinball":
                return distribution.pinball(q, y, self.levels_Q)
            case "direction":
                return direction.direction(up, y)
            case "qlike":
                return distribution.qlike(vol, y.square())
            case "gaussian":
                return distribution.gaussian(middle, vol, y)
            case "student_t":
                return distribution.student_t(middle, vol, y)
            case "squared":
                return point.squared_error(middle - y)
            case "absolute":
                return point.absolute_error(middle - y)
            case "huber":
                return point.huber(middle - y)
            case "log_cosh":
                return point.log_cosh(middle - y)
            case "directional":
                return direction.directional(middle, y)
            case "sharpe":
                return trading.sharpe(middle, y, weight).expand_as(y)
