"""What the gate looks at: a recipe against each opponent, each cell, and signs of a leak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.evaluation.comparison import Comparison, compare, discoveries
from cbi_pipeline.evaluation.groups import ALL, Group, group

Floats = npt.NDArray[np.float64]

# Gains below this share of the opponent's CRPS are no reason to change a model, and keep rounding
# in the last bits of two equal models from ever counting as a difference.
SMALLEST_GAIN = 5e-4
DISCOVERY_RATE = 0.10
# More than this is a leak or an artefact of rolling contracts until a person says otherwise.
TOO_GOOD_POINT_SKILL = 0.02
TOO_GOOD_HIT_RATE = 0.55
LUCK = 0.05


@dataclass(frozen=True, slots=True)
class Contest:
    """A recipe against one opponent over all commodities and horizons.

    Attributes:
        opponent: champion or baseline.
        skill: mean over the cells, by `Group.precision`, of one minus the ratio of CRPS sums.
        places: places to have been lucky in: commodities over those the difference rests on.
        p_value: of the pooled comparison, times the places.
        level: what the p-value has to stay under.
        needed: smallest skill that this sample shows at that level.
        shown: True when the skill is at least that.
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


def contests(
    losses: pl.DataFrame, recipe: str, opponents: Sequence[str], level: float
) -> list[Contest]:
    """The recipe against each opponent, in their order."""
    everything = group(losses)
    alone = [group(losses, commodity=name) for name in losses["commodity"].unique().sort()]
    return [contest(everything, alone, recipe, opponent, level) for opponent in opponents]


def contest(
    everything: Group, alone: Sequence[Group], recipe: str, opponent: str, level: float
) -> Contest:
    """Test the pooled weekly differences of a recipe and an opponent.

    The p-value is multiplied by the number of commodities over the number that the difference
    effectively rests on, (sum |d|)^2 / sum d^2 of the commodities' skills: 1 when all gain alike,
    the number of commodities (Bonferroni) when a single one does. A recipe that was lucky on one
    of many thus has to be as convincing as if that one had been looked for.
    """
    difference = everything.difference(recipe, opponent)
    comparison = compare(difference, everything.lags)
    by_commodity = {
        group.commodity: float(group.difference(recipe, opponent).mean()) for group in alone
    }
    places = _places(np.array(list(by_commodity.values())))
    needed = max(SMALLEST_GAIN, comparison.shown_from(level / places))
    return Contest(
        opponent=opponent,
        skill=comparison.mean,
        places=places,
        p_value=min(1.0, comparison.p_value * places),
        level=level,
        needed=needed,
        shown=comparison.mean > needed,
        by_commodity=by_commodity,
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
            difference = own.difference(recipe, opponent)
            tested.append((own, compare(difference, own.lags), compare(-difference, own.lags)))
    better = discoveries(np.array([gain.p_value for _, gain, _ in tested]), DISCOVERY_RATE)
    worse = discoveries(np.array([loss.p_value for _, _, loss in tested]), DISCOVERY_RATE)
    return tuple(
        Cell(own.commodity, own.horizon, gain.mean, gain.p_value, bool(up), bool(down))
        for (own, gain, _), up, down in zip(tested, better, worse, strict=True)
    )


def too_good(losses: pl.DataFrame, recipe: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Point skill above 2 % or hit rates above 55 % on liquid commodities, in words.

    Over all horizons of a commodity the figure itself decides; at a single horizon, where a trend
    alone gives such figures, it must also be unlikely (5 %) to be luck.
    """
    present = set(losses["commodity"].unique())
    liquid = [c.id for c in catalogue.commodities if c.liquid and c.id in present]
    labels = losses["horizon"].unique(maintain_order=True).to_list()
    reasons: list[str] = []
    for commodity in liquid:
        reasons += _excess(group(losses, commodity=commodity), recipe, needs_proof=False)
        for label in labels:
            cell = losses.filter(pl.col("horizon") == label, pl.col("commodity") == commodity)
            if cell.height:
                reasons += _excess(group(losses, commodity, label), recipe, needs_proof=True)
    return tuple(reasons)


def _excess(own: Group, recipe: str, *, needs_proof: bool) -> list[str]:
    where = own.commodity if own.horizon == ALL else f"{own.commodity} {own.horizon}"
    absolute, usual = own.sums(recipe, "absolute"), own.sums(recipe, "absolute_return")
    hit, called = own.sums(recipe, "hit"), own.sums(recipe, "called")
    words = []
    skill = 1.0 - absolute.sum() / usual.sum()
    if skill > TOO_GOOD_POINT_SKILL and (not needs_proof or _unlikely(usual - absolute, own.lags)):
        words.append(f"point skill {skill:.1%} on {where}")
    rate = hit.sum() / called.sum() if called.any() else 0.5
    if rate > TOO_GOOD_HIT_RATE and (not needs_proof or _unlikely(hit - 0.5 * called, own.lags)):
        words.append(f"hit rate {rate:.1%} on {where}")
    return words


def _unlikely(gains: Floats, lags: int) -> bool:
    return len(gains) > 2 * (lags + 1) and compare(gains, lags).p_value < LUCK


def _places(skills: Floats) -> float:
    spread = float((skills**2).sum())
    return len(skills) * spread / float(np.abs(skills).sum()) ** 2 if spread > 0.0 else 1.0
