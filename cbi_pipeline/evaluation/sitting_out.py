"""Which origins of a plan a recipe sits out, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from cbi_pipeline.evaluation.estimators import as_estimator
from cbi_pipeline.evaluation.plan import Plan
from cbi_pipeline.evaluation.walk_forward import walk_folds
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.estimator import Estimator
from cbi_pipeline.forecasting.models.recipe import ModelRecipe
from cbi_pipeline.forecasting.panel import Panel
from data_contracts.evaluation import ABSENCE

_EPOCH = date(1970, 1, 1)


def absences(
    panel: Panel,
    recipes: Sequence[ModelRecipe | Estimator],
    plan: Plan,
    *,
    targets: pl.DataFrame,
    evaluation_id: str,
) -> pl.DataFrame:
    """Rows of ``evaluation.absence``: which origins each recipe sits out, and why.

    The arguments are those of `walk_forward`. Nothing is trained.
    """
    chosen = list(walk_folds(panel, plan, targets))
    planned = dict(plan.origins.group_by("commodity").len().iter_rows())
    rows = [
        (evaluation_id, estimator.name, commodity, *parts, planned[commodity])
        for estimator in map(as_estimator, recipes)
        for commodity, parts in _count_absences(estimator, chosen).items()
    ]
    columns = ("evaluation_id", "recipe", "commodity", "reason", "absent", "last", "planned")
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return ABSENCE.validate(frame.select(list(ABSENCE.dtypes)).cast(pl.Schema(ABSENCE.dtypes)))


def failures(plan: Plan, reasons: Mapping[str, str], evaluation_id: str) -> pl.DataFrame:
    """Rows of ``evaluation.absence`` of recipes that failed: they sit out every origin.

    Args:
        plan: origins and refits.
        reasons: why each failed, in words, by its name.
        evaluation_id: name of the evaluation.
    """
    planned = plan.origins.group_by("commodity").agg(planned=pl.len(), last=pl.max("session"))
    rows = [planned.with_columns(recipe=pl.lit(n), reason=pl.lit(w)) for n, w in reasons.items()]
    if not rows:
        return ABSENCE.empty()
    frame = pl.concat(rows).with_columns(evaluation_id=pl.lit(evaluation_id), absent="planned")
    return ABSENCE.validate(frame.select(list(ABSENCE.dtypes)).cast(pl.Schema(ABSENCE.dtypes)))


def _count_absences(
    estimator: Estimator, chosen: Sequence[tuple[Panel, Fold]]
) -> dict[str, tuple[str, int, date]]:
    """Per commodity, the newest reason, how many origins, and the last of them."""
    absences: dict[str, tuple[str, int, date]] = {}
    for panel, fold in chosen:
        for absence in estimator.absences(panel, fold):
            last = _EPOCH + timedelta(days=int(panel.session_R[absence.rows].max()))
            earlier = absences[absence.commodity][1] if absence.commodity in absences else 0
            absences[absence.commodity] = (absence.reason, earlier + len(absence.rows), last)
    return absences
