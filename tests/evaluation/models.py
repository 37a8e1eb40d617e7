"""Models of known quality on the generated panel, and estimators of a test's own."""

import dataclasses

import numpy as np
from scipy.stats import norm

from cbi_pipeline.evaluation.models.combined import Combined
from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.forecasting import Estimator, Forecasts
from cbi_pipeline.forecasting.models.climatology import Climatology, ClimatologyRecipe
from cbi_pipeline.forecasting.models.combined import CombinedRecipe, Member
from cbi_pipeline.forecasting.models.garch import GarchRecipe
from cbi_pipeline.forecasting.models.har import HarRecipe
from cbi_pipeline.forecasting.models.prior import Prior
from cbi_pipeline.forecasting.models.recipe import DEFAULT_LEVELS, StatisticalRecipe
from tests.recipes import untrained_network


@dataclasses.dataclass
class Model:
    """Normal forecasts with a multiple of the true standard deviation, plus noise if asked."""

    stretch: float
    noise: float = 0.0
    recipe = untrained_network("f-1")

    def predict(self, panel, rows):
        steps = np.array(panel.spec.steps)[panel.commodity_R.numpy()[rows]]
        rng = np.random.default_rng(int(1000 * self.stretch))
        factor = self.stretch * np.exp(self.noise * rng.standard_normal(steps.shape))
        scale = 0.01 * np.sqrt(steps) * factor
        q = scale[..., None] * norm.ppf(DEFAULT_LEVELS)
        return Forecasts(q, np.full(steps.shape, 0.5), scale)


def baselines():
    """The naive forecasts."""
    return Climatology(), Ewma(), Prior()


def blend(**changed):
    """Every statistical forecast that the combined recipe averages."""
    weights: dict[StatisticalRecipe, float] = {
        GarchRecipe(): 4.0,
        GarchRecipe(name="gjr_t", asymmetric=True): 4.0,
        HarRecipe(): 4.0,
        ClimatologyRecipe(): 3.0,
    }
    members = tuple(Member(recipe=recipe, weight=weight) for recipe, weight in weights.items())
    return Combined(CombinedRecipe(forecasts=members, **changed))


def recipe(name, levels=DEFAULT_LEVELS):
    """A recipe of nothing but its name."""
    return StatisticalRecipe(name=name, levels=levels)


@dataclasses.dataclass(frozen=True)
class Scripted(Estimator):
    """One whose forecasts are written down; nothing is fitted."""

    recipe_type = StatisticalRecipe

    def fit(self, panel, fold, *, checkpoints=None, on_epoch=None):
        raise NotImplementedError
