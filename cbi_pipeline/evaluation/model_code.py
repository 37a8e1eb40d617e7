"""The code that gives a model's forecasts, and whether other code gives the same."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from cbi_pipeline.code_closure import hash_closure
from cbi_pipeline.evaluation.plan import Plan
from cbi_pipeline.evaluation.walk_forward import forecast_fold, read_finished, walk_folds
from cbi_pipeline.forecasting.models.estimator import Estimator
from cbi_pipeline.forecasting.panel import Panel

_PACKAGES = ("cbi_pipeline.evaluation", "cbi_pipeline.forecasting")
_SCORING = tuple(
    f"cbi_pipeline.evaluation.{name}"
    for name in ("calibration", "comparison", "groups", "losses", "pit", "resample", "scores")
)
# What forecasts are scored against.
_OUTCOMES = ("cbi_pipeline.features.targets", "cbi_pipeline.market.outcomes")


def hash_scoring_code() -> str:
    """The sha256 of what calibrates and scores forecasts, and of what says how they turned out."""
    modules = (*_SCORING, "cbi_pipeline.forecasting.calibration", *_OUTCOMES)
    return hash_closure(modules, modules)


def hash_model_code(estimator: Estimator) -> str:
    """The sha256 of an estimator's modules, of the walk-forward, and of all that they import."""
    modules = ("cbi_pipeline.evaluation.walk_forward", *estimator.modules)
    return hash_closure(modules, _PACKAGES)


def is_reproduced(
    panel: Panel,
    estimator: Estimator,
    plan: Plan,
    code: str,
    *,
    targets: pl.DataFrame,
    cache_dir: Path,
) -> bool | None:
    """Whether today's code gives the forecasts of a recipe's newest finished fold to the bit.

    Args:
        panel: rows of all commodities.
        estimator: what forecasts.
        plan: origins and refits.
        code: name of the code that finished the fold.
        targets: as for `walk_forward`.
        cache_dir: where finished folds are kept.

    Returns:
        None where that code has finished no fold of these rows and targets.

    Raises:
        ValueError: as for `walk_forward`.
    """
    for public, fold in reversed(list(walk_folds(panel, plan, targets))):
        finished = read_finished(cache_dir, public, estimator, fold, code)
        if finished is not None:
            return forecast_fold(public, estimator, fold, plan).equals(finished)
    return None
