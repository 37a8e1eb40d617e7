"""What a walk-forward will take, told from a sample of its folds, which are kept as finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from cbi_pipeline.evaluation.estimators import as_estimator
from cbi_pipeline.evaluation.kept_folds import is_kept, name_folders
from cbi_pipeline.evaluation.plan import Plan
from cbi_pipeline.evaluation.walk_forward import forecast_or_read_fold, walk_folds
from cbi_pipeline.forecasting.models.estimator import Estimator
from cbi_pipeline.forecasting.models.recipe import ModelRecipe
from cbi_pipeline.forecasting.panel import Panel

# One of so many folds is forecast to tell what all of them cost, and no more than so many.
FOLDS_PER_SAMPLE, MOST_SAMPLES = 7, 5


def estimate_cost(
    panel: Panel,
    recipes: Sequence[ModelRecipe | Estimator],
    plan: Plan,
    *,
    targets: pl.DataFrame,
    cache_dir: Path,
    code: Mapping[str, str],
    on_failure: Callable[[str, Exception], None] | None = None,
) -> dict[str, float]:
    """Seconds that the unfinished folds of each recipe take, from those of a sample.

    The sample is spread over the folds, as later ones have more to learn from; it is kept, so that
    the walk-forward finds it finished. A recipe that fails in it has no cost.

    The arguments are those of `walk_forward`; ``on_failure`` is told who failed in the sample and
    why, and by default its error is raised.

    Returns:
        By recipe that has unfinished folds, the seconds that they take from here on.
    """
    estimators = [as_estimator(recipe) for recipe in recipes]
    chosen = list(walk_folds(panel, plan, targets))
    folders = name_folders(estimators, chosen, cache_dir, code)
    costs = {}
    for estimator in estimators:
        own = folders[estimator.name]
        waiting = [n for n, folder in enumerate(own) if folder is not None and not is_kept(folder)]
        spent = []
        try:
            for n in choose_sample(waiting):
                (public, fold), began = chosen[n], time.monotonic()
                forecast_or_read_fold(public, estimator, fold, plan, own[n])
                spent.append(time.monotonic() - began)
        except Exception as error:
            if on_failure is None:
                raise
            on_failure(estimator.name, error)
            continue
        if spent:
            costs[estimator.name] = float(np.mean(spent)) * (len(waiting) - len(spent))
    return costs


def choose_sample(waiting: Sequence[int]) -> list[int]:
    """Some of the unfinished folds, spread over all of them; one at least where there are any."""
    count = min(MOST_SAMPLES, -(-len(waiting) // FOLDS_PER_SAMPLE))
    return [waiting[(2 * n + 1) * len(waiting) // (2 * count)] for n in range(count)]
