"""Named recipes."""

import dataclasses

from cbi_pipeline.forecasting.clipping import ClipConfig
from cbi_pipeline.forecasting.networks.heads import HeadConfig
from cbi_pipeline.forecasting.networks.recipe import RecipeConfig
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig
from cbi_pipeline.forecasting.optimisers import OptimiserConfig
from cbi_pipeline.forecasting.recipe import Recipe, TrainingConfig
from cbi_pipeline.forecasting.schedules import ScheduleConfig

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Trust to choose from, per commodity and horizon."""


def anchored_gru(feature_set: str) -> Recipe:
    """A small pooled GRU over 32 rows that keeps to the prior wherever it learned nothing."""
    return Recipe(
        name="anchored_gru",
        feature_set=feature_set,
        window=32,
        network=RecurrentConfig(cell="gru", hidden=16),
        training=TrainingConfig(
            batch_size=256,
            max_epochs=6,
            patience=3,
            optimiser=OptimiserConfig(rate=1e-3, decay=0.05),
            trust=SHARES,
        ),
    )


def anchored_untrained(feature_set: str) -> Recipe:
    """The same network, never trained: it is the prior. The first champion, with no skill."""
    recipe = anchored_gru(feature_set).with_training(max_epochs=0)
    return dataclasses.replace(recipe, name="anchored_untrained")


def tiny(feature_set: str) -> Recipe:
    """A very small network for quick runs of the whole pipeline."""
    return Recipe(
        name="tiny",
        feature_set=feature_set,
        window=16,
        network=RecurrentConfig(cell="gru", hidden=8),
        head=HeadConfig(hidden=8, embedding=2),
        training=TrainingConfig(
            batch_size=512,
            max_epochs=2,
            patience=2,
            optimiser=OptimiserConfig(rate=3e-3),
            trust=SHARES,
        ),
    )


def recipe_network(feature_set: str) -> Recipe:
    """The direct recipe: its network, optimiser, warm-up and clipping, one number per target.

    With 15 features, 5 commodities and 4 horizons it has 2,014,493 parameters.
    """
    return Recipe(
        name="recipe_network",
        feature_set=feature_set,
        window=64,
        levels=(0.5,),
        mode="joint",
        network=RecipeConfig(),
        head=HeadConfig(anchored=False),
        training=TrainingConfig(
            batch_size=64,
            max_epochs=50,
            patience=10,
            threads=2,
            optimiser=OptimiserConfig(name="adamw", rate=1e-3, decay=0.01),
            schedule=ScheduleConfig(shape="cosine", warmup=0.05),
            clip=ClipConfig(method="norm", limit=1.0),
        ),
    )


PRESETS = {
    recipe.__name__: recipe for recipe in (anchored_gru, anchored_untrained, tiny, recipe_network)
}
"""Recipe makers by name; each takes the feature set the recipe is for."""
