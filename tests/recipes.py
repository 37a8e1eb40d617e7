"""Recipes that ship, on a feature set of the test's own."""

from cbi_pipeline.catalogue import read_recipe, resolve_recipe
from cbi_pipeline.forecasting import Recipe, TrainingConfig
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig
from cbi_pipeline.forecasting.optimisers import OptimiserConfig

NAMES = ("anchored_gru", "tiny", "recipe_network")


def shipped(name: str, feature_set: str) -> Recipe:
    fields = resolve_recipe(read_recipe(name))
    return Recipe.compose({**fields, "name": name, "feature_set": feature_set})


def tiny(feature_set: str) -> Recipe:
    return shipped("tiny", feature_set)


def recipe_network(feature_set: str) -> Recipe:
    return shipped("recipe_network", feature_set)


def untrained_network(feature_set: str) -> Recipe:
    """The network that earlier releases began with: it is never trained, and equals the prior."""
    return Recipe(
        name="anchored_untrained",
        feature_set=feature_set,
        window=32,
        network=RecurrentConfig(cell="gru", hidden=16),
        training=TrainingConfig(
            batch_size=256,
            max_epochs=0,
            patience=3,
            optimiser=OptimiserConfig(rate=1e-3, decay=0.05),
            shrinkage=(0.0, 0.25, 0.5, 0.75, 1.0),
        ),
    )
