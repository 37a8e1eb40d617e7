"""Whether tonight's version of the champion recipe takes over from the one in use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.operations.faults import failure, note_fault
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.renew_calibration import renew_calibration
from cbi_pipeline.operations.training_data import TrainingData, narrow
from cbi_pipeline.registry import (
    RegistryDamaged,
    RegistryEmpty,
    RegistryUnreadable,
    current_champion,
    following,
    versions_in_use,
)
from data_contracts.evaluation import DECISION, VERSION

if TYPE_CHECKING:
    from cbi_pipeline.evaluation import Refresh
    from cbi_pipeline.forecasting import Model, ModelRecipe
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


def refresh_aliases(
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
        renewed, row = renew_calibration(pl.concat([decisions, ruling]), data, pipeline)
        if renewed is not None:
            versions, ruling = [*versions, renewed], pl.concat([ruling, row])
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
    """The decision on tonight's version of the champion recipe.

    Empty when it is in use already, or was held back before and still is.
    """
    from cbi_pipeline.evaluation import decide_refresh

    now = current_champion(decisions)
    tonight = next((version for version in versions if now and version.recipe == now.recipe), None)
    if now is None or tonight is None or tonight.version == now.version:
        return DECISION.empty()
    used = versions_in_use(decisions)
    judged, promoted = compare_versions(tonight.version, used, data, pipeline)
    ruling = decide_refresh(
        judged,
        tonight.recipe,
        tonight.version,
        now.version,
        promoted,
        state=data.state,
        decided_at=pipeline.now(),
    )
    refusals = decisions.filter(verdict="hold", version=tonight.version)
    if ruling.verdict == "hold" and not refusals.is_empty():
        return DECISION.empty()
    return following(decisions, ruling.frame(data.as_of))


def compare_versions(
    new: int, used: Sequence[tuple[int, datetime]], data: TrainingData, pipeline: Pipeline
) -> tuple[Refresh | str | None, int | None]:
    """Tonight's version against the promoted one, on rows neither was trained on.

    Where the promoted one cannot be read any longer, the first one after it that can stands for
    it.

    Args:
        new: tonight's version.
        used: versions in use since the promotion, and since when; see `versions_in_use`.
        data: what is known now.
        pipeline: the home.

    Returns:
        The verdict, or why they cannot be compared, and the version that stood for the promoted
        one; None and None where nothing was in use.
    """
    from cbi_pipeline.operations.compare_versions import judge_on_common_rows

    if not used:
        return None, None
    tonight = pipeline.registry.load(new)
    unread: list[str] = []

    def load(version: int) -> Model | None:
        try:
            return pipeline.registry.load(version)
        except (RegistryUnreadable, RegistryDamaged, RegistryEmpty) as error:
            unread.append(str(error))
            return None

    for number, (version, _) in enumerate(used):
        if (promoted := load(version)) is not None:
            since = used[number:]
            return judge_on_common_rows(tonight, promoted, since, load, data, pipeline), version
    return f"The promoted one was not compared: {unread[0]}.", used[0][0]


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
