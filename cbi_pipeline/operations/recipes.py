"""Recipes of the catalogue, built on the groups that they read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cbi_pipeline.catalogue import Catalogue, CatalogueError, read_recipe
from cbi_pipeline.model_kinds import MODEL_KINDS
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import feature_set

if TYPE_CHECKING:
    from cbi_pipeline.catalogue import RecipeFile
    from cbi_pipeline.forecasting import ModelRecipe


def load_recipe(name: str, pipeline: Pipeline) -> ModelRecipe:
    """The recipe of that name.

    Raises:
        CatalogueError: there is none, or its file holds what no recipe takes; names file and field.
    """
    from cbi_pipeline.evaluation import load_estimator
    from cbi_pipeline.forecasting import compose

    file = read_recipe(name, *pipeline.settings.recipe_folders)
    features = feature_set(read_catalogue(file, pipeline.catalogue)).name
    given = {**_resolve_members(file, pipeline), "name": name, "feature_set": features}
    try:
        return compose(load_estimator(file.kind).recipe_type, given)
    except ValueError as error:
        raise CatalogueError(f"{file.source}: {error}") from error


def read_recipes(pipeline: Pipeline) -> tuple[RecipeFile, ...]:
    """The files of the recipes that are evaluated, in the order of the catalogue.

    Raises:
        CatalogueError: one is missing, no TOML, or has a wrong kind or groups.
    """
    asked = pipeline.catalogue.evaluation
    names = dict.fromkeys((*asked.challengers, *asked.baselines))
    return tuple(read_recipe(name, *pipeline.settings.recipe_folders) for name in names)


def load_challengers(pipeline: Pipeline) -> tuple[ModelRecipe, ...]:
    """The recipes that face the gate, in the order of the catalogue.

    Raises:
        CatalogueError: as for :func:`load_recipe`.
    """
    return _load(pipeline.catalogue.evaluation.challengers, pipeline)


def load_baselines(pipeline: Pipeline) -> tuple[ModelRecipe, ...]:
    """The recipes that skill is stated against, in the order of the catalogue.

    Raises:
        CatalogueError: as for :func:`load_recipe`.
    """
    return _load(pipeline.catalogue.evaluation.baselines, pipeline)


def require_recipes(pipeline: Pipeline) -> None:
    """Build every recipe that is evaluated, and keep none.

    Raises:
        CatalogueError: as for :func:`load_recipe`.
    """
    load_challengers(pipeline)
    load_baselines(pipeline)


def read_catalogue(file: RecipeFile, catalogue: Catalogue) -> Catalogue:
    """The catalogue with the groups alone that a recipe reads."""
    if not MODEL_KINDS[file.kind].reads_features:
        return catalogue.reading(())
    return catalogue if file.groups is None else catalogue.reading(file.groups)


def _resolve_members(file: RecipeFile, pipeline: Pipeline) -> dict[str, Any]:
    """The fields of a recipe, other recipes that it names in place of their names."""
    if not MODEL_KINDS[file.kind].names_members:
        return file.fields
    fields = dict(file.fields)
    fields["forecasts"] = _read_members(file, fields.get("forecasts"), pipeline)
    own = fields.get("own", {})
    if not isinstance(own, dict):
        raise CatalogueError(f"{file.source}: own is a table per commodity, as in [own.wti]")
    fields["own"] = [
        {"commodity": commodity, "forecasts": _read_members(file, named, pipeline)}
        for commodity, named in own.items()
    ]
    return fields


def _read_members(file: RecipeFile, named: object, pipeline: Pipeline) -> list[dict[str, Any]]:
    """Recipes with their weights, as the fields of a recipe hold them."""
    if not isinstance(named, dict) or not named:
        raise CatalogueError(
            f"{file.source}: forecasts is a table of recipes with their weights, as in garch_t = 4"
        )
    members = []
    for name, weight in named.items():
        member = read_recipe(name, *pipeline.settings.recipe_folders)
        recipe = {**_resolve_members(member, pipeline), "kind": member.kind, "name": name}
        members.append({"recipe": recipe, "weight": weight})
    return members


def _load(names: Iterable[str], pipeline: Pipeline) -> tuple[ModelRecipe, ...]:
    return tuple(load_recipe(name, pipeline) for name in names)
