"""Which estimator fits a recipe, found by the recipe's kind."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from cbi_pipeline.forecasting.models.estimator import Estimator
from cbi_pipeline.forecasting.models.recipe import ModelRecipe
from cbi_pipeline.model_kinds import MODEL_KINDS


def load_estimator(kind: str) -> type[Estimator]:
    """The class that fits a kind of recipes.

    Raises:
        KeyError: there is no such kind.
    """
    module, _, name = MODEL_KINDS[kind].estimator.partition(":")
    return cast("type[Estimator]", getattr(import_module(module), name))


def estimator_of(recipe: ModelRecipe) -> Estimator:
    """What fits a recipe."""
    # The first kind there was has no name of its own in what it saves.
    return load_estimator(recipe.kind or "network")(recipe)


def as_estimator(given: ModelRecipe | Estimator) -> Estimator:
    """A recipe as what fits it; estimators pass through."""
    return estimator_of(given) if isinstance(given, ModelRecipe) else given
