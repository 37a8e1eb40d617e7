"""Tests over many recipes at once: superior predictive ability and the model confidence set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cbi_pipeline.evaluation.groups import Group
from cbi_pipeline.evaluation.resample import SEED, block_bootstrap

Floats = npt.NDArray[np.float64]

DRAWS = 999
SIZE = 0.10


def superior_ability(
    group: Group, benchmark: str, rivals: Sequence[str], *, seed: int = SEED
) -> float | None:
    """p-value of "no rival has a smaller expected loss than the benchmark", all rivals at once.

    Hansen's (2005) consistent test with stationary-bootstrap blocks as long as the intervals use;
    losses are scaled as by `Group.scale_losses`. None when the weeks are too few, or no
    rival differs from the benchmark.
    """
    losses = _drop_equal(group, benchmark, [name for name in rivals if name != benchmark])
    base = group.scale_losses(benchmark, benchmark)[0]
    losses = {name: loss for name, loss in losses.items() if (loss != base).any()}
    blocks = block_bootstrap(group.weeks, group.lags, draws=1)
    if not losses or blocks is None:
        return None
    from arch.bootstrap import SPA  # takes a second to import

    test = SPA(base, _columns(losses), block_size=blocks.block, reps=DRAWS, seed=seed)
    test.compute()
    return float(test.pvalues["consistent"])


def confidence_set(group: Group, recipes: Sequence[str], *, seed: int = SEED) -> dict[str, float]:
    """Recipe to its p-value of being among the best (Hansen, Lunde and Nason, 2011).

    Recipes with a p-value above `SIZE` form the 90 % model confidence set. Recipes that forecast
    the same share a p-value; a single distinct recipe has 1. Empty when the weeks are too few.
    """
    blocks = block_bootstrap(group.weeks, group.lags, draws=1)
    if blocks is None or not recipes:
        return {}
    losses = _drop_equal(group, recipes[0], recipes)
    if len(losses) == 1:
        return dict.fromkeys(recipes, 1.0)
    table = _columns(losses)
    from arch.bootstrap import MCS  # takes a second to import

    test = MCS(table, size=SIZE, block_size=blocks.block, reps=DRAWS, seed=seed)
    test.compute()
    values = test.pvalues["Pvalue"]
    by_loss = {table[:, column].tobytes(): float(values.loc[column]) for column in values.index}
    return {name: by_loss[group.scale_losses(name, recipes[0])[0].tobytes()] for name in recipes}


def _drop_equal(group: Group, base: str, names: Sequence[str]) -> dict[str, Floats]:
    """Scaled weekly losses, one recipe for each distinct series."""
    first: dict[bytes, str] = {}
    losses = {name: group.scale_losses(name, base)[0] for name in names}
    for name, loss in losses.items():
        first.setdefault(loss.tobytes(), name)
    return {name: losses[name] for name in first.values()}


def _columns(losses: dict[str, Floats]) -> Floats:
    return np.column_stack(list(losses.values()))
