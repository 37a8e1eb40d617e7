"""Models of known quality on the generated panel, and estimators of a test's own."""

import dataclasses

import numpy as np
from scipy.stats import norm

from cbi_pipeline.evaluation.models.ewma import Ewma
from cbi_pipeline.forecasting import Estimator, Forecasts, anchored_untrained
from cbi_pipeline.forecasting.models.climatology import Climatology
from cbi_pipeline.forecasting.models.prior import Prior
from cbi_pipeline.forecasting.models.recipe import DEFAULT_LEVELS, StatisticalRecipe


@dataclasses.dataclass
class Model:
    """Normal forecasts with a multiple of the true standard deviation, plus noise if asked."""

    stretch: float
    noise: float = 0.0
    recipe = anchored_untrained("f-1")

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


def recipe(name, levels=DEFAULT_LEVELS):
    """A recipe of nothing but its name."""
    return StatisticalRecipe(name=name, levels=levels)


@dataclasses.dataclass(frozen=True)
class Scripted(Estimator):
    """One whose forecasts are written down; nothing is fitted."""

    recipe_type = StatisticalRecipe

    def fit(self, panel, fold, *, checkpoints=None, on_epoch=None):
        raise NotImplementedError
