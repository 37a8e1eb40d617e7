"""Tonight's models: champion and challengers, trained on everything known, registered, aliased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.catalogue import CatalogueError
from cbi_pipeline.operations.evaluate import current_lineup
from cbi_pipeline.operations.faults import close_others, failure, note_fault
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.promote import (
    ALIASES,
    TRAINING,
    refresh_aliases,
    training_of,
    try_register,
)
from cbi_pipeline.operations.train import champion_first
from cbi_pipeline.operations.training_data import load_training_data
from cbi_pipeline.registry import RegistryError, current_champion

if TYPE_CHECKING:
    from cbi_pipeline.registry import RegisteredVersion


@dataclass(frozen=True)
class Refreshed:
    """What a night made of its recipes.

    Attributes:
        versions: tonight's, the champion recipe's first; a recipe that failed has none.
        ruling: the decision on the champion recipe's; empty where none was called for.
        aliases: those that were set.
        curves: PNG of the learning curve of each recipe that was trained, by name.
    """

    versions: tuple[RegisteredVersion, ...]
    ruling: pl.DataFrame
    aliases: dict[str, int]
    curves: dict[str, bytes]


def refresh_models(pipeline: Pipeline, as_of: datetime) -> Refreshed | str:
    """Train every recipe of the night and decide whether the champion's version takes over.

    A recipe that fails is a fault and leaves the others alone; the version in use goes on speaking.

    Returns:
        What was made, or why nothing was trained.
    """
    data = load_training_data(pipeline, as_of)
    if not data.has_origins:
        return "no: nothing can be forecast from yet"
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
    try:
        recipes = current_lineup(pipeline).recipes
    except (RegistryError, CatalogueError) as error:
        words = f"nothing was trained tonight: {failure(error)}"
        note_fault(pipeline, ALIASES, words)
        return words
    champion = current_champion(decisions)
    asked = champion_first(champion.recipe if champion else None, recipes)
    curves: dict[str, bytes] = {}
    tried = [try_register(recipe, data, decisions, pipeline, curves) for recipe in asked]
    close_others(pipeline, TRAINING, {training_of(recipe) for recipe in asked})
    versions = [version for version in tried if version is not None]
    ruling, aliases = refresh_aliases(versions, decisions, data, pipeline)
    return Refreshed(tuple(versions), ruling, aliases, curves)
