"""Recipes that ship, on a feature set of the test's own."""

from cbi_pipeline.catalogue import read_recipe, resolve_recipe
from cbi_pipeline.forecasting import Recipe

NAMES = ("anchored_gru", "tiny", "recipe_network")


def shipped(name: str, feature_set: str) -> Recipe:
    fields = resolve_recipe(read_recipe(name))
    return Recipe.compose({**fields, "name": name, "feature_set": feature_set})


def tiny(feature_set: str) -> Recipe:
    return shipped("tiny", feature_set)


def recipe_network(feature_set: str) -> Recipe:
    return shipped("recipe_network", feature_set)
