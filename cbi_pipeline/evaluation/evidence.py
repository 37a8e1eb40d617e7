"""What the gate looks at: a recipe against each opponent, and each cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from cbi_pipeline.evaluation.comparison import Comparison, compare, discoveries
from cbi_pipeline.evaluation.groups import Group, group

Floats = npt.NDArray[np.float64]

# Gains below this share of the opponent's CRPS are no reason to change a model, and keep rounding
# in the last bits of two equal models from ever counting as a difference.
SMALLEST_GAIN = 5e-4
DISCOVERY_RATE = 0.10


@dataclass(frozen=True)
class Pairing:
    """A recipe and one opponent at the origins that both forecast, before any level is set.

    Attributes:
        opponent: champion or baseline.
        difference: weekly gains of the recipe, see `Group.difference`; [weeks].
        calendar: Mondays of these weeks; [weeks].
        memory: weeks for which their bands stay apart; see `Group.memory`.
        by_commodity: skill per commodity.
        comparison: tests of the gains' mean.
    """

    opponent: str
    difference: Floats
    calendar: npt.NDArray[np.datetime64]
    memory: int
    by_commodity: dict[str, float]
    comparison: Comparison

    @property
    def places(self) -> float:
        """Places to have been lucky in: commodities over those the difference rests on.

        It is (sum |d|)^2 / sum d^2 of the commodities' skills that the number of commodities is
        divided by: 1 comes out when all gain alike, their number (Bonferroni) when a single one
        does. A recipe that was lucky on one of many thus has to be as convincing as if that one
        had been looked for.
        """
        return _places(np.array(list(self.by_commodity.values())))

    @property
    def p_value(self) -> float:
        """Of the pooled comparison, times the places."""
        return min(1.0, self.comparison.p_value * self.places)

    @property
    def statistic(self) -> float:
        """The gain in standard errors, by the less favourable of both tests."""
        tests = self.comparison
        return min(tests.diebold_mariano.statistic, tests.cosine.statistic)

    @property
    def is_same(self) -> bool:
        """Whether both forecast exactly the same."""
        return not self.difference.any()


@dataclass(frozen=True, slots=True)
class Contest:
    """A recipe against one opponent over all commodities and horizons.

    Attributes:
        opponent: champion or baseline.
        skill: mean over the cells, by `Group.precision`, of one minus the ratio of CRPS sums.
        places: places to have been lucky in; see `Pairing.places`.
        p_value: of the pooled comparison, times the places.
        level: what the p-value has to stay under.
        needed: smallest skill that this sample shows at that level.
        shown: True when the skill is at least that.
        memory: weeks for which the bands of both stay apart.
        by_commodity: skill per commodity.
        comparison: both tests before the correction.
    """

    opponent: str
    skill: float
    places: float
    p_value: float
    level: float
    needed: float
    shown: bool
    memory: int
    by_commodity: dict[str, float]
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Cell:
    """One commodity and horizon against the champion.

    Attributes:
        commodity: its id.
        horizon: its label.
        skill: one minus the ratio of CRPS sums.
        p_better: of "the recipe is better".
        better: a discovery among all cells at a false-discovery rate of 10 %.
        worse: the same for "the recipe is worse".
    """

    commodity: str
    horizon: str
    skill: float
    p_better: float
    better: bool
    worse: bool


def pair(paired: pl.DataFrame, recipe: str, opponent: str) -> Pairing:
    """Compare a recipe and an opponent.

    Args:
        paired: `losses` of both at the same origins.
        recipe: challenger.
        opponent: champion or baseline.

    Raises:
        ValueError: too few weeks; see `compare`.
    """
    both = group(paired)
    alone = [group(paired, commodity=name) for name in paired["commodity"].unique().sort()]
    difference, memory = both.difference(recipe, opponent), both.memory(recipe, opponent)
    return Pairing(
        opponent=opponent,
        difference=difference,
        calendar=both.calendar,
        memory=memory,
        by_commodity={
            own.commodity: float(own.difference(recipe, opponent).mean()) for own in alone
        },
        comparison=compare(difference, both.lags, memory),
    )


def judge_pairing(pairing: Pairing, level: float) -> Contest:
    """Whether a gain is shown at a level."""
    comparison = pairing.comparison
    needed = max(SMALLEST_GAIN, comparison.shown_from(level / pairing.places))
    return Contest(
        opponent=pairing.opponent,
        skill=comparison.mean,
        places=pairing.places,
        p_value=pairing.p_value,
        level=level,
        needed=needed,
        shown=comparison.mean > needed,
        memory=pairing.memory,
        by_commodity=pairing.by_commodity,
        comparison=comparison,
    )


def cells(losses: pl.DataFrame, recipe: str, opponent: str) -> tuple[Cell, ...]:
    """Every cell with enough weeks, with the false-discovery rate over all of them controlled."""
    tested: list[tuple[Group, Comparison, Comparison]] = []
    losses = losses.filter(pl.col("recipe").is_in([recipe, opponent]))
    for commodity, horizon in (
        losses.select("commodity", "horizon").unique(maintain_order=True).rows()
    ):
        own = group(losses, commodity, horizon)
        if own.weeks > 2 * (own.lags + 1):
            difference, memory = own.difference(recipe, opponent), own.memory(recipe, opponent)
            gain, loss = (compare(sign * difference, own.lags, memory) for sign in (1.0, -1.0))
            tested.append((own, gain, loss))
    better = discoveries(np.array([gain.p_value for _, gain, _ in tested]), DISCOVERY_RATE)
    worse = discoveries(np.array([loss.p_value for _, _, loss in tested]), DISCOVERY_RATE)
    return tuple(
        Cell(own.commodity, own.horizon, gain.mean, gain.p_value, bool(up), bool(down))
        for (own, gain, _), up, down in zip(tested, better, worse, strict=True)
    )


def _places(skills: Floats) -> float:
    spread = float((skills**2).sum())
    return len(skills) * spread / float(np.abs(skills).sum()) ** 2 if spread > 0.0 else 1.0
