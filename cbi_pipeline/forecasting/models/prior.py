"""The prior as a model: no change, with half the EWMA and half the long-run variance a session."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from cbi_pipeline.forecasting import student
from cbi_pipeline.forecasting.config import Json
from cbi_pipeline.forecasting.declarations import FileName
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted
from cbi_pipeline.forecasting.models.model import Forecasts, Rows
from cbi_pipeline.forecasting.models.recipe import StatisticalRecipe
from cbi_pipeline.forecasting.models.statistical import StatisticalModel
from cbi_pipeline.forecasting.panel import Panel, PanelSpec
from cbi_pipeline.forecasting.prior import one_session_variance

if TYPE_CHECKING:
    from cbi_pipeline.forecasting.records import EpochRecord


@dataclass(frozen=True, kw_only=True)
class PriorRecipe(StatisticalRecipe, kind="prior"):
    """What networks that name no anchor adjust, as a forecast of its own.

    Attributes:
        name: for people, tables and folders; part of the identity.
        feature_set: always "none": it reads prices alone.
        levels: quantile levels, strictly increasing in (0, 1).
    """

    name: FileName = "prior"


@dataclass(frozen=True, eq=False)
class PriorModel(StatisticalModel):
    """The prior, to the bit what an untrained network says that is anchored to it."""

    recipe_type = PriorRecipe

    def predict(self, panel: Panel, rows_N: Rows) -> Forecasts:
        """Quantiles around zero; `up` is one half, so no direction is called."""
        self.check_axes(panel.spec)
        rows = torch.as_tensor(rows_N, dtype=torch.int64)
        # Single precision and this order of factors, as in the network.
        variance_N = one_session_variance(panel.variance_R2.cpu()[rows])
        steps_CH = torch.tensor(panel.spec.steps, dtype=torch.float32)
        scale_NH = (steps_CH[panel.commodity_R.cpu()[rows]] * variance_N[:, None]).sqrt()
        q_NHQ = scale_NH[..., None] * student.quantiles(self.recipe.levels).float()
        parts = (q_NHQ, torch.full_like(scale_NH, 0.5), scale_NH)
        return Forecasts(*(part.double().numpy() for part in parts))

    def parameters(self) -> Json:
        """None: the panel's variances are all."""
        return {}

    @classmethod
    def of_parameters(cls, recipe: Any, spec: PanelSpec, parameters: Any, named: Any) -> Self:  # noqa: ANN401
        """The model on these axes."""
        return cls(recipe, spec, named=named)


@dataclass(frozen=True)
class Prior(Estimator):
    """Nothing is fitted."""

    recipe: PriorRecipe = field(default_factory=PriorRecipe)
    recipe_type = PriorRecipe

    def fit(
        self,
        panel: Panel,
        fold: Fold,
        *,
        checkpoints: Path | None = None,
        on_epoch: "Callable[[EpochRecord], None] | None" = None,
    ) -> Fitted:
        """The model on these axes."""
        return Fitted(PriorModel(self.recipe, panel.spec))
