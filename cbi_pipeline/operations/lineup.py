"""The recipes of a night: the champion as it was registered, and what is set against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import catalogue_of, feature_set
from cbi_pipeline.registry import Champion, RegistryMismatch, RegistryUnreadable, current_champion

if TYPE_CHECKING:
    import polars as pl

    from cbi_pipeline.forecasting import ModelRecipe


@dataclass(frozen=True)
class Lineup:
    """The recipes that are walked forward, trained and registered.

    Attributes:
        champion: the recipe in use, as its registered version holds it.
        challengers: the recipes that face the gate; the champion where one is the same.
        founder: the recipe that was champion before anything was proven.
    """

    champion: ModelRecipe
    challengers: tuple[ModelRecipe, ...]
    founder: ModelRecipe

    @property
    def recipes(self) -> dict[str, ModelRecipe]:
        """Each of them once, by name."""
        return {recipe.name: recipe for recipe in (self.founder, self.champion, *self.challengers)}

    def beside(self, further: Sequence[ModelRecipe]) -> list[ModelRecipe]:
        """Those of further recipes that are not in the lineup, each under a name of its own."""
        taken = self.recipes
        others = [recipe for recipe in further if taken.get(recipe.name) != recipe]
        return [_rename(recipe) if recipe.name in taken else recipe for recipe in others]


def choose_lineup(
    pipeline: Pipeline, founder: ModelRecipe, challengers: Sequence[ModelRecipe]
) -> Lineup:
    """The champion on the record, with today's founder and the challengers of the catalogue.

    What recipes are called today decides nothing about the champion: a challenger that bears the
    champion's name and is another recipe takes a name of its own.

    Raises:
        RegistryMismatch: the champion was crowned, has no version, and the code has no such recipe.
        RegistryUnreadable: its version has options that this version of the code lacks, and the
            code has no recipe of its name.
    """
    with pipeline.warehouse.read() as store:
        decisions, versions = store.table("registry.decision"), store.table("registry.version")
    current = current_champion(decisions)
    champion = founder
    if current is not None:
        champion = _find_registered(pipeline, current, versions, (founder, *challengers))
    first = champion if founder.name == champion.name else founder
    return Lineup(
        champion, tuple(_entrant(recipe, champion, first) for recipe in challengers), first
    )


def _entrant(challenger: ModelRecipe, champion: ModelRecipe, founder: ModelRecipe) -> ModelRecipe:
    """A challenger under a name that no other recipe of the night has."""
    if _is_alike(challenger, champion):
        return champion
    if challenger.name in (champion.name, founder.name) and not _is_alike(challenger, founder):
        return _rename(challenger)
    return challenger


def _find_registered(
    pipeline: Pipeline, current: Champion, versions: pl.DataFrame, today: tuple[ModelRecipe, ...]
) -> ModelRecipe:
    """The recipe of the version in use, on those of its groups that are still read."""
    offered = {recipe.name: recipe for recipe in (*map(_rename, today), *today)}
    same = offered.get(current.recipe)
    if current.version is None:
        # Crowned tonight: the gate has judged the recipe of the code, its version follows.
        if same is None:
            raise RegistryMismatch(
                f"recipe {current.recipe!r} was decided to be champion, no version of it was "
                "registered, and the code has no recipe of that name; bring it back for one night"
            )
        return same
    stored = dict(versions.select("version", "recipe_id").iter_rows())
    if same is not None and stored.get(current.version) == same.identity():
        return same
    try:
        recipe = pipeline.registry.load(current.version).recipe
    except RegistryUnreadable:
        if same is None:
            raise
        # What its recipe has become in this version of the code; the refresh says why.
        return same
    read = catalogue_of(recipe.feature_set, pipeline.catalogue)
    return replace(recipe, feature_set=feature_set(read).name)


def _is_alike(recipe: ModelRecipe, other: ModelRecipe) -> bool:
    return replace(recipe, name=other.name) == other


def _rename(recipe: ModelRecipe) -> ModelRecipe:
    return replace(recipe, name=f"{recipe.name}_{recipe.identity()[:8]}")
