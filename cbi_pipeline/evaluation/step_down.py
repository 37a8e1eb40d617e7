"""The level of one look, shared out among all recipes that it judges at once.

The stepwise method of Romano and Wolf (2005): the chance that any useless recipe passes is the
level of the look, whatever the recipes have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from cbi_pipeline.evaluation.evidence import Pairing, judge_pairing
from cbi_pipeline.evaluation.resample import block_bootstrap

Floats = npt.NDArray[np.float64]
Pairings = Sequence[Pairing]

DRAWS = 4999
# With fewer draws beyond a quantile it is not estimated.
FEWEST_BEYOND = 10


def share_out_level(level: float, field: Mapping[str, Pairings]) -> dict[str, float]:
    """The level at which each recipe is judged.

    A recipe has to beat every opponent, so its hardest one, that of the largest p-value, decides.
    Recipes that pass leave the field, and what is left is shared among the others anew.

    Args:
        level: chance that any useless recipe passes.
        field: each recipe's opponents.
    """
    levels: dict[str, float] = {}
    left = dict(field)
    while left:
        own = level_of_each(level, [find_hardest(pairings) for pairings in left.values()])
        levels |= dict.fromkeys(left, own)
        passed = [
            name
            for name, pairings in left.items()
            if all(judge_pairing(pairing, own).shown for pairing in pairings)
        ]
        if not passed:
            break
        for name in passed:
            del left[name]
    return levels


def find_hardest(pairings: Pairings) -> Pairing:
    """The opponent over which a gain is shown least."""
    return max(pairings, key=lambda pairing: pairing.p_value)


def level_of_each(level: float, hardest: Pairings) -> float:
    """The level of one recipe at which any of several useless ones passes as often as ``level``.

    It lies between Bonferroni's and ``level``. The bootstrap draws the largest of all gains, each
    in standard errors and over the recipe's hardest opponent, in blocks that recipes and
    commodities share. Recipes so far behind that they cannot pass are left out (Hansen, 2005).

    Args:
        level: of all together.
        hardest: of each recipe.
    """
    gains = [pairing for pairing in hardest if _can_pass(pairing) and not pairing.is_same]
    if len(gains) < 2:
        return level
    least = level / len(gains)
    if level * DRAWS < FEWEST_BEYOND:
        return least
    largest = _draw_largest(gains)
    if largest is None:
        return least
    critical = float(np.quantile(largest, 1.0 - level))
    return float(np.clip(stats.norm.sf(critical), least, level))


def _can_pass(pairing: Pairing) -> bool:
    weeks = len(pairing.difference)
    return bool(pairing.statistic > -np.sqrt(2.0 * np.log(np.log(weeks))))


def _draw_largest(gains: Pairings) -> Floats | None:
    """Draws of the largest gain in standard errors where no recipe is better; [draws]."""
    weeks = np.unique(np.concatenate([pairing.calendar for pairing in gains]))
    blocks = block_bootstrap(
        len(weeks),
        max(pairing.comparison.lags for pairing in gains),
        max(pairing.memory for pairing in gains),
        draws=DRAWS,
    )
    if blocks is None:
        return None
    drawn = []
    for pairing in gains:
        centred = np.zeros(len(weeks))
        own = np.searchsorted(weeks, pairing.calendar)
        centred[own] = pairing.difference - pairing.difference.mean()
        sums = blocks.resample(centred)
        drawn.append(sums / sums.std())
    largest: Floats = np.max(drawn, axis=0)
    return largest
