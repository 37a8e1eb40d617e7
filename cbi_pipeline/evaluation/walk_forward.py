"""Forecast every origin of a plan with every recipe, one refit at a time, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from cbi_pipeline.evaluation.estimators import as_estimator
from cbi_pipeline.evaluation.kept_folds import (
    identify_fold,
    keep_fold,
    name_folder,
    name_folders,
    prune_fold,
    read_fold,
)
from cbi_pipeline.evaluation.plan import Plan
from cbi_pipeline.features import with_targets_as_of
from cbi_pipeline.forecasting import folds
from cbi_pipeline.forecasting.folds import Fold, NothingToTrainOn
from cbi_pipeline.forecasting.models.estimator import Estimator
from cbi_pipeline.forecasting.models.model import Absence, Forecasts, Rows
from cbi_pipeline.forecasting.models.recipe import ModelRecipe
from cbi_pipeline.forecasting.panel import NEVER, Panel
from data_contracts.evaluation import FORECAST


@dataclass(frozen=True, slots=True)
class FoldDone:
    """Told after each fold.

    Attributes:
        recipe: recipe or baseline.
        fold: date of the refit.
        done: folds finished so far, of all recipes.
        total: folds of all recipes.
        cached: True when it had been finished by an earlier run.
        seconds: spent on it.
    """

    recipe: str
    fold: str
    done: int
    total: int
    cached: bool
    seconds: float


def walk_forward(
    panel: Panel,
    recipes: Sequence[ModelRecipe | Estimator],
    plan: Plan,
    *,
    targets: pl.DataFrame,
    evaluation_id: str,
    cache_dir: Path | None = None,
    code: Mapping[str, str] | None = None,
    on_fold: Callable[[FoldDone], None] | None = None,
    on_failure: Callable[[str, Exception], None] | None = None,
) -> pl.DataFrame:
    """Rows of ``evaluation.forecast`` of every recipe and baseline at the origins of the plan.

    At each refit the targets are those last told then. A recipe with too little history sits
    out, which `absences` tells; the others go on.

    With ``cache_dir``, each finished fold is kept in a folder named by everything that decided it
    (recipe, code, device, rows and targets), written whole or not at all and proved by its checksum
    when read. Training cut off in a fold continues at its checkpoint, which goes when it is done.

    Args:
        panel: rows of all commodities.
        recipes: what forecasts.
        plan: origins and refits.
        targets: ``features.target`` rows of the panel's feature set, all versions.
        evaluation_id: name of the evaluation.
        cache_dir: where finished folds are kept.
        code: name of the code that gives the forecasts, by recipe; goes with ``cache_dir``.
        on_fold: told after each fold.
        on_failure: told who failed and why; it has no rows then. By default its error is raised.

    Raises:
        ValueError: two recipes share a name, a forecast is not finite or has crossing
            quantiles, or a file of a finished fold is damaged.
    """
    estimators = [as_estimator(recipe) for recipe in recipes]
    _require_own_names(estimators)
    chosen = list(walk_folds(panel, plan, targets))
    folders = name_folders(estimators, chosen, cache_dir, code or {})
    total = len(estimators) * len(chosen)
    frames: list[pl.DataFrame] = []
    for number, estimator in enumerate(estimators):
        own: list[pl.DataFrame] = []
        try:
            for (public, fold), folder in zip(chosen, folders[estimator.name], strict=True):
                began = time.monotonic()
                frame, cached = forecast_or_read_fold(public, estimator, fold, plan, folder)
                own.append(frame)
                if on_fold is not None:
                    done, spent = number * len(chosen) + len(own), time.monotonic() - began
                    on_fold(FoldDone(estimator.name, fold.name, done, total, cached, spent))
        except Exception as error:
            if on_failure is None:
                raise
            on_failure(estimator.name, error)
        else:
            frames += own
    return _finish(frames, evaluation_id)


def _require_own_names(estimators: Sequence[Estimator]) -> None:
    names = [estimator.name for estimator in estimators]
    if len(set(names)) != len(names):
        raise ValueError(f"every recipe of an evaluation needs its own name, got {names}")


def read_finished(
    cache_dir: Path, panel: Panel, estimator: Estimator, fold: Fold, code: str
) -> pl.DataFrame | None:
    """The forecasts of a fold that some code has finished; None where it has not.

    Raises:
        ValueError: a file is damaged; names it and says what to do.
    """
    return read_fold(name_folder(cache_dir, estimator, fold, identify_fold(panel, fold), code))


def forecast_fold(panel: Panel, estimator: Estimator, fold: Fold, plan: Plan) -> pl.DataFrame:
    """The forecasts of a fold, made anew and kept nowhere.

    Raises:
        ValueError: a forecast is not finite or has crossing quantiles.
    """
    frame, _ = forecast_or_read_fold(panel, estimator, fold, plan, None)
    return frame


def walk_folds(panel: Panel, plan: Plan, targets: pl.DataFrame) -> Iterator[tuple[Panel, Fold]]:
    """Each fold that has origins, with the panel as told at its refit."""
    rows = plan.origins["row"].to_numpy()
    decision = panel.decision_at_R.cpu().numpy()[rows]
    refits = [int(t.timestamp() * 1_000_000) for t in plan.refits]
    for at, refit, following in zip(plan.refits, refits, [*refits[1:], NEVER], strict=True):
        test = rows[(decision >= refit) & (decision < following)]
        if test.size:
            public = with_targets_as_of(panel, targets, at)
            yield public, _fold(public, test, refit, plan)


def _fold(panel: Panel, test_rows: Rows, refit_at_us: int, plan: Plan) -> Fold:
    try:
        (fold,) = folds.walk_forward(
            panel,
            test_rows,
            [refit_at_us],
            embargo_days=plan.embargo_days,
            validation_share=plan.validation_share,
        )
    except NothingToTrainOn:
        # Those that need no training forecast all the same; the others say why they do not.
        return folds.without_training(refit_at_us, test_rows)
    return fold


def forecast_or_read_fold(
    panel: Panel, estimator: Estimator, fold: Fold, plan: Plan, folder: Path | None
) -> tuple[pl.DataFrame, bool]:
    """The forecasts of a fold, and whether an earlier run had finished it.

    Args:
        panel: as told at the fold's refit.
        estimator: what forecasts.
        fold: what is forecast.
        plan: origins and refits.
        folder: where it is kept; None keeps it nowhere.

    Raises:
        ValueError: as for `walk_forward`.
    """
    finished = read_fold(folder) if folder else None
    if finished is not None and folder is not None:
        prune_fold(folder)
        return finished, True
    present = _leave_out(fold, estimator.absences(panel, fold))
    if not present.test_rows.size:
        return FORECAST.empty().drop("evaluation_id"), False
    forecasts = estimator.forecast(panel, present, folder)
    _require_sound(forecasts, estimator, fold)
    frame = _long(panel, estimator, present, plan, forecasts)
    if folder is not None:
        keep_fold(frame, folder)
    return frame, False


def _leave_out(fold: Fold, absent: Sequence[Absence]) -> Fold:
    if not absent:
        return fold
    missing = np.concatenate([absence.rows for absence in absent])
    return replace(fold, test_rows=fold.test_rows[~np.isin(fold.test_rows, missing)])


def _require_sound(forecasts: Forecasts, estimator: Estimator, fold: Fold) -> None:
    finite = all(np.isfinite(part).all() for part in forecasts)
    if not finite or (np.diff(forecasts.q_NHQ, axis=2) < 0.0).any():
        raise ValueError(
            f"{estimator.name} forecast numbers that are not finite or quantiles that cross in "
            f"the fold of {fold.name}; the evaluation stops rather than score them"
        )


def _long(
    panel: Panel, estimator: Estimator, fold: Fold, plan: Plan, forecasts: Forecasts
) -> pl.DataFrame:
    count, horizons, levels = forecasts.q_NHQ.shape
    rows = pl.DataFrame({"row": fold.test_rows})
    origins = rows.join(plan.origins, on="row", how="left", maintain_order="left")
    steps = np.array(panel.spec.steps)[panel.commodity_R.cpu().numpy()[fold.test_rows]]
    repeated = origins.select(
        "commodity",
        pl.col("session").alias("origin_session"),
        pl.col("decision_at").alias("as_of"),
        pl.col("price").alias("origin_price"),
        index=pl.int_range(pl.len()).repeat_by(horizons * levels),
    ).explode("index")
    return repeated.drop("index").with_columns(
        recipe=pl.lit(estimator.name),
        fold=pl.lit(fold.name),
        horizon=pl.Series(np.repeat(steps.ravel(), levels).astype(np.int64)),
        quantile=pl.Series(np.tile(np.array(estimator.levels), count * horizons)),
        value=pl.Series(forecasts.q_NHQ.ravel()),
        up=pl.Series(np.repeat(forecasts.up_NH.ravel(), levels)),
        volatility=pl.Series(np.repeat(forecasts.vol_NH.ravel(), levels)),
    )


def _finish(frames: list[pl.DataFrame], evaluation_id: str) -> pl.DataFrame:
    if not frames:
        return FORECAST.empty()
    frame = pl.concat([part.select(sorted(part.columns)) for part in frames])
    frame = frame.with_columns(evaluation_id=pl.lit(evaluation_id))
    return FORECAST.validate(frame.select(list(FORECAST.dtypes)).cast(pl.Schema(FORECAST.dtypes)))
