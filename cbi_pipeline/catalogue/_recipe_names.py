"""Recipes that name other recipes: these stand in place of their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cbi_pipeline.catalogue._document import CatalogueError
from cbi_pipeline.catalogue._recipes import RecipeFile, read_recipe
from cbi_pipeline.model_kinds import MODEL_KINDS


def resolve_recipe(file: RecipeFile, *folders: Path) -> dict[str, Any]:
    """The fields of a recipe, other recipes that it names in place of their names.

    Args:
        file: the recipe.
        folders: as for :func:`find_recipes`.

    Raises:
        CatalogueError: it names what is no recipe, or one that cannot stand there; names the file.
    """
    kind, fields = MODEL_KINDS[file.kind], dict(file.fields)
    if kind.names_anchor and "anchor" in fields:
        fields["anchor"] = _read_anchor(file, fields["anchor"], folders)
    if kind.names_members:
        fields["forecasts"] = _read_members(file, fields.get("forecasts"), folders)
        fields["own"] = _read_own(file, fields.get("own", {}), folders)
    return fields


def named_recipes(file: RecipeFile) -> tuple[str, ...]:
    """Names of the recipes that stand in a recipe which :func:`resolve_recipe` takes."""
    kind, fields = MODEL_KINDS[file.kind], file.fields
    anchors = [fields["anchor"]] if kind.names_anchor and "anchor" in fields else []
    tables = [fields["forecasts"], *fields.get("own", {}).values()] if kind.names_members else []
    return tuple(dict.fromkeys([*anchors, *(name for table in tables for name in table)]))


def _read_anchor(file: RecipeFile, name: object, folders: tuple[Path, ...]) -> dict[str, Any]:
    if not isinstance(name, str):
        raise CatalogueError(f'{file.source}: anchor is the name of a recipe, as in "combined"')
    try:
        anchor = read_recipe(name, *folders)
        if MODEL_KINDS[anchor.kind].reads_features:
            kinds = ", ".join(name for name, kind in MODEL_KINDS.items() if not kind.reads_features)
            raise CatalogueError(
                f"{name} is of the kind {anchor.kind}, which reads features; an anchor reads "
                f"prices alone: {kinds}"
            )
        return _embed(anchor, folders)
    except CatalogueError as error:
        raise CatalogueError(f"{file.source}: anchor: {error}") from error


def _read_own(file: RecipeFile, own: object, folders: tuple[Path, ...]) -> list[dict[str, Any]]:
    if not isinstance(own, dict):
        raise CatalogueError(f"{file.source}: own is a table per commodity, as in [own.wti]")
    return [
        {"commodity": commodity, "forecasts": _read_members(file, named, folders)}
        for commodity, named in own.items()
    ]


def _read_members(
    file: RecipeFile, named: object, folders: tuple[Path, ...]
) -> list[dict[str, Any]]:
    """Recipes with their weights, as the fields of a recipe hold them."""
    if not isinstance(named, dict) or not named:
        raise CatalogueError(
            f"{file.source}: forecasts is a table of recipes with their weights, as in garch_t = 4"
        )
    return [
        {"recipe": _embed(read_recipe(name, *folders), folders), "weight": weight}
        for name, weight in named.items()
    ]


def _embed(file: RecipeFile, folders: tuple[Path, ...]) -> dict[str, Any]:
    """A recipe as a field of another."""
    return {**resolve_recipe(file, *folders), "kind": file.kind, "name": file.name}
