"""Recipes of the catalogue, built on the groups that they read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cbi_pipeline.catalogue import (
    Catalogue,
    CatalogueError,
    find_recipes,
    named_recipes,
    read_recipe,
    resolve_recipe,
)
from cbi_pipeline.model_kinds import MODEL_KINDS
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import feature_set
from cbi_pipeline.registry import list_earlier_founders

if TYPE_CHECKING:
    from cbi_pipeline.catalogue import RecipeFile
    from cbi_pipeline.forecasting import ModelRecipe


def load_recipe(name: str, pipeline: Pipeline) -> ModelRecipe:
    """The recipe of that name.

    Raises:
        CatalogueError: there is none, or its file holds what no recipe takes; names file and field.
    """
    return build_recipe(read_recipe(name, *pipeline.settings.recipe_folders), pipeline)


def build_recipe(file: RecipeFile, pipeline: Pipeline) -> ModelRecipe:
    """The recipe that a file is.

    Raises:
        CatalogueError: it holds what no recipe takes, or a recipe that it names does; names file
            and field.
    """
    from cbi_pipeline.evaluation import load_estimator
    from cbi_pipeline.forecasting import compose

    features = feature_set(read_catalogue(file, pipeline.catalogue)).name
    fields = resolve_recipe(file, *pipeline.settings.recipe_folders)
    for other in named_recipes(file):
        load_recipe(other, pipeline)  # what is wrong with it is said of its own file
    given = {**fields, "name": file.name, "feature_set": features}
    try:
        return compose(load_estimator(file.kind).recipe_type, given)
    except ValueError as error:
        raise CatalogueError(f"{file.source}: {error}") from error


def find_remark(name: str, pipeline: Pipeline) -> str:
    """What a reader of a recipe's versions must know; empty where its file says nothing or is gone.

    Raises:
        CatalogueError: its file is no TOML, or has a wrong kind or groups.
    """
    folders = pipeline.settings.recipe_folders
    return read_recipe(name, *folders).remark if name in find_recipes(*folders) else ""


def read_recipes(pipeline: Pipeline) -> tuple[RecipeFile, ...]:
    """The files of the recipes that are evaluated, in the order of the catalogue.

    Raises:
        CatalogueError: one is missing, no TOML, or has a wrong kind or groups.
    """
    asked = pipeline.catalogue.evaluation
    names = dict.fromkeys((asked.founder, *asked.challengers, *asked.baselines))
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


def load_earlier_founders(pipeline: Pipeline) -> tuple[ModelRecipe, ...]:
    """The founders that gave way to another untested, where recipes of their names are left.

    Raises:
        CatalogueError: as for :func:`load_recipe`.
    """
    with pipeline.warehouse.read() as store:
        names = list_earlier_founders(store.table("registry.decision"))
    left = find_recipes(*pipeline.settings.recipe_folders)
    return _load((name for name in names if name in left), pipeline)


def require_recipes(pipeline: Pipeline) -> None:
    """Build every recipe that is evaluated, and keep none.

    Raises:
        CatalogueError: as for :func:`load_recipe`, or one has no level that scores need, or as
            the founder or a baseline not all of them.
    """
    for recipe in (*load_baselines(pipeline), _load_founder(pipeline)):
        _require_levels(recipe, pipeline)
    for recipe in load_challengers(pipeline):
        _require_common_level(recipe, pipeline)


def _require_levels(recipe: ModelRecipe, pipeline: Pipeline) -> None:
    from cbi_pipeline.evaluation import NEEDED_LEVELS

    own = {round(level, 9) for level in recipe.levels}
    lacking = [f"{level:g}" for level in NEEDED_LEVELS if round(level, 9) not in own]
    if lacking:
        source = read_recipe(recipe.name, *pipeline.settings.recipe_folders).source
        raise CatalogueError(
            f"{source}: levels lack {', '.join(lacking)}, which a baseline and the founder need; "
            "add them, or make the recipe a challenger, which then stands apart"
        )


def _require_common_level(recipe: ModelRecipe, pipeline: Pipeline) -> None:
    from cbi_pipeline.evaluation import share_levels
    from cbi_pipeline.forecasting import DEFAULT_LEVELS

    if not share_levels([recipe.levels]):
        source = read_recipe(recipe.name, *pipeline.settings.recipe_folders).source
        listed = ", ".join(f"{level:g}" for level in DEFAULT_LEVELS)
        raise CatalogueError(
            f"{source}: levels hold none of {listed}, at which forecasts are compared; add some"
        )


def _load_founder(pipeline: Pipeline) -> ModelRecipe:
    """The founder, which forecasts whatever has prices: it may not learn from features."""
    name = pipeline.catalogue.evaluation.founder
    kind = read_recipe(name, *pipeline.settings.recipe_folders).kind
    if MODEL_KINDS[kind].reads_features:
        raise CatalogueError(
            f"[evaluation] founder {name} is a {kind} recipe, which reads features and forecasts "
            "nothing until it has learned; name one that reads prices alone, such as combined"
        )
    return load_recipe(name, pipeline)


def read_catalogue(file: RecipeFile, catalogue: Catalogue) -> Catalogue:
    """The catalogue with the groups alone that a recipe reads."""
    if not MODEL_KINDS[file.kind].reads_features:
        return catalogue.select_groups(())
    return catalogue if file.groups is None else catalogue.select_groups(file.groups)


def _load(names: Iterable[str], pipeline: Pipeline) -> tuple[ModelRecipe, ...]:
    return tuple(load_recipe(name, pipeline) for name in names)
