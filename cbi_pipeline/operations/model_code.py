"""Which code a model's forecasts are kept under: other code that gives the same bears its name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.operations.pipeline import Pipeline
from data_contracts.evaluation import MODEL_CODE

if TYPE_CHECKING:
    from cbi_pipeline.evaluation import Contender
    from cbi_pipeline.forecasting import Recipe
    from cbi_pipeline.operations.evaluate import EvaluationRun
    from cbi_pipeline.operations.training_data import TrainingData
    from cbi_pipeline.warehouse import Store

_FIRST = "first used"
_EQUAL = "the newest finished fold computed anew is equal to the bit"
_OTHER = "the newest finished fold computed anew differs"
_UNKNOWN = "no finished fold was there to compare with"


def name_code(store: Store, contenders: Sequence[Contender]) -> dict[str, str]:
    """Name of today's code of each contender: that of earlier code with the same forecasts."""
    from cbi_pipeline.evaluation import hash_model_code

    rows = store.table(MODEL_CODE.table).select("recipe", "identity", "code", "same_as").rows()
    noted = {(recipe, identity, code): same_as for recipe, identity, code, same_as in rows}
    named = {}
    for one in contenders:
        code = hash_model_code(one)
        named[one.name] = noted.get((one.name, one.identity(), code), code)
    return named


def name_recipe_code(pipeline: Pipeline, recipe: Recipe) -> str:
    """Name of today's code of a recipe."""
    from cbi_pipeline.evaluation import as_contender

    with pipeline.warehouse.read() as store:
        return name_code(store, [as_contender(recipe)])[recipe.name]


def examine_code(evaluation: EvaluationRun) -> pl.DataFrame:
    """Look into contenders whose code nobody has seen yet, and note what is found.

    The newest fold that earlier code has finished is computed anew. Where it is equal to the bit,
    what that code has made stays in use.

    Returns:
        The notes, rows of ``evaluation.model_code``.
    """
    pipeline = evaluation.pipeline
    with pipeline.warehouse.read() as store:
        noted = store.table(MODEL_CODE.table)
    now = pipeline.now()
    rows = [
        row
        for data, contenders in evaluation.panels
        for one in contenders
        if (row := _look(one, noted, data, pipeline, now))
    ]
    notes = pl.DataFrame(rows, schema=MODEL_CODE.dtypes)
    pipeline.add({MODEL_CODE.table: notes})
    return notes


def _look(
    contender: Contender,
    noted: pl.DataFrame,
    data: TrainingData,
    pipeline: Pipeline,
    now: datetime,
) -> dict[str, object] | None:
    from cbi_pipeline.evaluation import hash_model_code

    code, identity = hash_model_code(contender), contender.identity()
    own = noted.filter(pl.col("recipe") == contender.name, pl.col("identity") == identity)
    if code in own["code"]:
        return None
    same_as, why = code, _FIRST
    if len(own):
        before = str(own.sort("noted_at")["same_as"][-1])
        try:
            is_equal = _is_reproduced(contender, before, data, pipeline)
        except Exception:
            # It fails in the walk-forward as well, which tells why and counts it out.
            return None
        same_as = before if is_equal else code
        why = _UNKNOWN if is_equal is None else _EQUAL if is_equal else _OTHER
    return {
        "recipe": contender.name,
        "identity": identity,
        "code": code,
        "same_as": same_as,
        "why": why,
        "noted_at": now,
    }


def _is_reproduced(
    contender: Contender, before: str, data: TrainingData, pipeline: Pipeline
) -> bool | None:
    from cbi_pipeline.evaluation import is_reproduced, plan

    return is_reproduced(
        data.panel,
        contender,
        plan(data.panel, data.catalogue, data.rows),
        before,
        targets=data.targets,
        cache_dir=pipeline.settings.checkpoints_dir / "walk_forward",
    )
