"""Models of known quality on the generated panel."""

import dataclasses

import numpy as np
from scipy.stats import norm

from cbi_pipeline.forecasting import anchored_untrained
from cbi_pipeline.forecasting.forecaster import Forecasts
from cbi_pipeline.forecasting.recipe import DEFAULT_LEVELS


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
