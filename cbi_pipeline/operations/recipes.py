"""Recipes of the catalogue, built on the groups that they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbi_pipeline.catalogue import Catalogue, CatalogueError, read_recipe
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import feature_set

if TYPE_CHECKING:
    from cbi_pipeline.catalogue import RecipeFile
    from cbi_pipeline.forecasting import Recipe


def load_recipe(name: str, pipeline: Pipeline) -> Recipe:
    """The recipe of that name.

    Raises:
        CatalogueError: there is none, or its file holds what no recipe takes; names file and field.
    """
    from cbi_pipeline.forecasting import Recipe

    file = read_recipe(name, *pipeline.settings.recipe_folders)
    features = feature_set(read_catalogue(file, pipeline.catalogue)).name
    try:
        return Recipe.compose({**file.fields, "name": name, "feature_set": features})
    except ValueError as error:
        raise CatalogueError(f"{file.source}: {error}") from error


def read_recipes(pipeline: Pipeline) -> tuple[RecipeFile, ...]:
    """The files of the recipes that face the gate, in the order of the catalogue.

    Raises:
        CatalogueError: one is missing, no TOML, or has a wrong kind or groups.
    """
    names = pipeline.catalogue.evaluation.challengers
    return tuple(read_recipe(name, *pipeline.settings.recipe_folders) for name in names)


def load_challengers(pipeline: Pipeline) -> tuple[Recipe, ...]:
    """The recipes that face the gate, in the order of the catalogue.

    Raises:
        CatalogueError: as for :func:`load_recipe`.
    """
    return tuple(load_recipe(name, pipeline) for name in pipeline.catalogue.evaluation.challengers)


def read_catalogue(file: RecipeFile, catalogue: Catalogue) -> Catalogue:
    """The catalogue with the groups alone that a recipe reads."""
    return catalogue if file.groups is None else catalogue.reading(file.groups)
