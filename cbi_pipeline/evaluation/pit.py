"""Whether outcomes fall evenly over the distributions that were stated (Dawid, 1984)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cbi_pipeline.evaluation.comparison import adjust, compare
from cbi_pipeline.evaluation.groups import Group

Floats = npt.NDArray[np.float64]

TENTHS = 10


def mark_tenths(deciles: Floats, y: Floats) -> dict[str, Floats]:
    """In which tenth of its forecast's distribution each outcome fell, as columns of 0 and 1.

    Args:
        deciles: [N, 9] of the forecasts.
        y: [N] outcomes.

    Returns:
        ``pit_1`` (below the first decile) to ``pit_10``, each [N]; they add up to one.
    """
    tenth = (deciles <= y[:, None]).sum(axis=1)
    return {f"pit_{n + 1}": (tenth == n).astype(np.float64) for n in range(TENTHS)}


def examine_tenths(group: Group, recipe: str) -> Iterator[tuple[str, float, None, None, int]]:
    """The share of outcomes in each tenth, and the chance that even forecasts look as uneven.

    Each share is tested against a tenth by its weekly sums, overlap allowed for
    (`comparison.compare`, both sides), and the smallest of the ten p-values is raised by Holm's
    rule. With too few weeks for a test there is no ``p_pit``.
    """
    counts = group.sums(recipe, None)
    hits = [group.sums(recipe, f"pit_{n}") for n in range(1, TENTHS + 1)]
    for n, own in enumerate(hits, start=1):
        yield f"pit_{n}", float(own.sum() / counts.sum()), None, None, group.count
    if group.weeks > 2 * (group.lags + 1):
        apart = [(own - counts / TENTHS) / counts.mean() for own in hits]
        p_values = [
            min(1.0, 2.0 * min(compare(sign * own, group.lags).p_value for sign in (1.0, -1.0)))
            for own in apart
        ]
        yield "p_pit", float(adjust(np.array(p_values)).min()), None, None, group.count
