"""Which code a model's forecasts are kept under: other code that gives the same bears its name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.operations.faults import failure
from cbi_pipeline.operations.pipeline import Pipeline
from data_contracts.evaluation import MODEL_CODE

if TYPE_CHECKING:
    from cbi_pipeline.forecasting import Estimator, ModelRecipe
    from cbi_pipeline.operations.evaluate import EvaluationRun
    from cbi_pipeline.operations.training_data import TrainingData
    from cbi_pipeline.warehouse import Store

_FIRST = "first used"
_EQUAL = "the newest finished fold computed anew is equal to the bit"
_OTHER = "the newest finished fold computed anew differs"
_FAILED = "the newest finished fold could not be compared"
_UNKNOWN = "no finished fold was there to compare with"


def name_code(store: Store, estimators: Sequence[Estimator]) -> dict[str, str]:
    """Name of today's code of each recipe: that of earlier code with the same forecasts."""
    from cbi_pipeline.evaluation import hash_model_code

    rows = store.table(MODEL_CODE.table).select("recipe", "identity", "code", "same_as").rows()
    noted = {(recipe, identity, code): same_as for recipe, identity, code, same_as in rows}
    named = {}
    for estimator in estimators:
        code = hash_model_code(estimator)
        named[estimator.name] = noted.get((estimator.name, estimator.identity(), code), code)
    return named


def name_recipe_code(pipeline: Pipeline, recipe: ModelRecipe) -> str:
    """Name of today's code of a recipe."""
    from cbi_pipeline.evaluation import estimator_of

    with pipeline.warehouse.read() as store:
        return name_code(store, [estimator_of(recipe)])[recipe.name]


def examine_code(evaluation: EvaluationRun) -> None:
    """Look into recipes whose code nobody has seen yet, and note what is found.

    The newest fold that earlier code has finished is computed anew. Where it is equal to the bit,
    what that code has made stays in use; where that fails the note says why, and the recipe is
    judged anew.
    """
    pipeline = evaluation.pipeline
    with pipeline.warehouse.read() as store:
        noted = store.table(MODEL_CODE.table)
    now = pipeline.now()
    rows = [
        row
        for data, estimators in evaluation.panels
        for estimator in estimators
        if (row := _look(estimator, noted, data, pipeline, now))
    ]
    pipeline.add({MODEL_CODE.table: pl.DataFrame(rows, schema=MODEL_CODE.dtypes)})


def _look(
    estimator: Estimator,
    noted: pl.DataFrame,
    data: TrainingData,
    pipeline: Pipeline,
    now: datetime,
) -> dict[str, object] | None:
    from cbi_pipeline.evaluation import hash_model_code

    code, identity = hash_model_code(estimator), estimator.identity()
    own = noted.filter(pl.col("recipe") == estimator.name, pl.col("identity") == identity)
    if code in own["code"]:
        return None
    same_as, why = code, _FIRST
    if len(own):
        before = str(own.sort("noted_at")["same_as"][-1])
        same_as, why = _compare(estimator, before, code, data, pipeline)
    return {
        "recipe": estimator.name,
        "identity": identity,
        "code": code,
        "same_as": same_as,
        "why": why,
        "noted_at": now,
    }


def _compare(
    estimator: Estimator, before: str, code: str, data: TrainingData, pipeline: Pipeline
) -> tuple[str, str]:
    """Name of a recipe's new code, and what was seen of it."""
    try:
        is_equal = _is_reproduced(estimator, before, data, pipeline)
    except Exception as error:
        # One that fails must not cost the others their evidence.
        return code, f"{_FAILED}: {failure(error)}"
    if is_equal is None:
        return code, _UNKNOWN
    return (before, _EQUAL) if is_equal else (code, _OTHER)


def _is_reproduced(
    estimator: Estimator, before: str, data: TrainingData, pipeline: Pipeline
) -> bool | None:
    from cbi_pipeline.evaluation import is_reproduced, plan

    return is_reproduced(
        data.panel,
        estimator,
        plan(data.panel, data.catalogue, data.rows),
        before,
        targets=data.targets,
        cache_dir=pipeline.settings.folds_dir,
    )
