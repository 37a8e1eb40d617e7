"""Whether tonight's version of the champion recipe takes over from the one in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.operations.faults import failure, note_fault
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import TrainingData, narrow
from cbi_pipeline.registry import (
    RegistryDamaged,
    RegistryEmpty,
    RegistryUnreadable,
    current_champion,
    following,
)
from data_contracts.evaluation import DECISION, VERSION

if TYPE_CHECKING:
    from cbi_pipeline.evaluation import Refresh
    from cbi_pipeline.forecasting import ModelRecipe
    from cbi_pipeline.registry import RegisteredVersion


#: In the fault log: last word of a recipe's subject, and the subject of the aliases.
TRAINING, ALIASES = "training", "model aliases"


def training_of(recipe: ModelRecipe) -> str:
    """Under which subject a recipe's failed training stands in the fault log."""
    return f"{recipe.name} {TRAINING}"


def try_register(
    recipe: ModelRecipe,
    data: TrainingData,
    decisions: pl.DataFrame,
    pipeline: Pipeline,
    curves: dict[str, bytes],
) -> RegisteredVersion | None:
    """Tonight's version of a recipe; None when it could not be made, which is a fault of its own.

    Whatever fails in one recipe, its training or the store of the models, the other recipe and the
    version in use are sound without it.
    """
    from cbi_pipeline.operations.train import ensure_version

    try:
        own = narrow(data, recipe.feature_set, pipeline)
        version = ensure_version(recipe, own, decisions, pipeline, curves)
    except Exception as error:
        words = f"no version of {recipe.name} was made tonight: {failure(error)}"
        note_fault(pipeline, training_of(recipe), words)
        return None
    note_fault(pipeline, training_of(recipe), None)
    return version


def decide_refresh(
    versions: list[RegisteredVersion],
    decisions: pl.DataFrame,
    data: TrainingData,
    pipeline: Pipeline,
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Decide on tonight's version of the champion recipe and set the aliases.

    Where that fails the aliases stay, so that the version in use goes on speaking.

    Returns:
        The decision, empty when none was called for, and the aliases that were set.
    """
    current = current_champion(decisions)
    in_use = current is not None and (
        current.version is not None or any(version.recipe == current.recipe for version in versions)
    )
    if not in_use:
        return DECISION.empty(), {}
    try:
        ruling = rule_on_refresh(versions, decisions, data, pipeline)
        aliases = apply_ruling(versions, ruling, pipeline)
    except Exception as error:
        note_fault(pipeline, ALIASES, f"the version in use was not changed: {failure(error)}")
        return DECISION.empty(), {}
    note_fault(pipeline, ALIASES, None)
    return ruling, aliases


def rule_on_refresh(
    versions: list[RegisteredVersion],
    decisions: pl.DataFrame,
    data: TrainingData,
    pipeline: Pipeline,
) -> pl.DataFrame:
    """The decision on tonight's version of the champion recipe; empty when it is in use already."""
    from cbi_pipeline.evaluation import refreshed

    now = current_champion(decisions)
    tonight = next((version for version in versions if now and version.recipe == now.recipe), None)
    if now is None or tonight is None or tonight.version == now.version:
        return DECISION.empty()
    ruling = refreshed(
        compare_versions(tonight.version, now.version, data, pipeline) if now.version else None,
        tonight.recipe,
        tonight.version,
        now.version,
        state=data.state,
        decided_at=pipeline.now(),
    )
    return following(decisions, ruling.frame(data.as_of))


def compare_versions(
    new: int, current: int, data: TrainingData, pipeline: Pipeline
) -> Refresh | str:
    """Both versions on rows neither was trained on, or why the standing one cannot be asked."""
    from cbi_pipeline.operations.compare_versions import judge_on_common_rows

    tonight = pipeline.registry.load(new)
    try:
        before = pipeline.registry.load(current)
    except (RegistryUnreadable, RegistryDamaged, RegistryEmpty) as error:
        return f"The standing one was not compared: {error}."
    return judge_on_common_rows(tonight, before, data, pipeline)


def apply_ruling(
    versions: list[RegisteredVersion], ruling: pl.DataFrame, pipeline: Pipeline
) -> dict[str, int]:
    """Record versions and ruling together, then set the aliases that the decisions call for."""
    rows = pl.DataFrame([version.row() for version in versions], schema=VERSION.dtypes)
    pipeline.add({"registry.version": rows, "registry.decision": ruling})
    for row in ruling.iter_rows(named=True):
        pipeline.registry.record(row)
    with pipeline.warehouse.read() as store:
        return pipeline.registry.reconcile(
            store.table("registry.decision"),
            store.table("registry.version"),
            {version.recipe: version.version for version in versions},
        )
