"""No change, with the EWMA(0.97) variance times the sessions ahead."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from cbi_pipeline.forecasting.config import Json
from cbi_pipeline.forecasting.declarations import FileName
from cbi_pipeline.forecasting.models.model import Forecasts, Rows, steps_of
from cbi_pipeline.forecasting.models.recipe import StatisticalRecipe
from cbi_pipeline.forecasting.models.statistical import StatisticalModel
from cbi_pipeline.forecasting.panel import Panel, PanelSpec


@dataclass(frozen=True, kw_only=True)
class EwmaRecipe(StatisticalRecipe, kind="ewma"):
    """No change, with the EWMA(0.97) variance times the sessions ahead.

    Attributes:
        name: for people, tables and folders; part of the identity.
        feature_set: always "none": it reads prices alone.
        levels: quantile levels, strictly increasing in (0, 1).
    """

    name: FileName = "ewma"


@dataclass(frozen=True, eq=False)
class EwmaModel(StatisticalModel):
    """A distribution around zero of one shape and the newest variance.

    Attributes:
        unit: quantiles of the shape at the recipe's levels, at a variance of one.
    """

    unit: tuple[float, ...]
    recipe_type = EwmaRecipe

    def predict(self, panel: Panel, rows_N: Rows) -> Forecasts:
        """Quantiles around zero; `up` is one half, so no direction is called."""
        self.check_axes(panel.spec)
        variance = panel.variance_R2.cpu().numpy()[rows_N, 0].astype(np.float64)
        steps = steps_of(panel, rows_N)
        volatility = np.sqrt(variance[:, None] * steps)
        return Forecasts(
            volatility[..., None] * np.array(self.unit), np.full(steps.shape, 0.5), volatility
        )

    def parameters(self) -> Json:
        """The quantiles of the shape."""
        return {"unit": list(self.unit)}

    @classmethod
    def of_parameters(cls, recipe: Any, spec: PanelSpec, parameters: Any, named: Any) -> Self:  # noqa: ANN401
        """The model of that shape."""
        return cls(recipe, spec, tuple(parameters["unit"]), named=named)
