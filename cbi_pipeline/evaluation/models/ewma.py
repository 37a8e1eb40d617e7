"""The shape of the EWMA forecast: the prior's Student-t, so that only their variances differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import stats

from cbi_pipeline.forecasting import student
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted
from cbi_pipeline.forecasting.models.ewma import EwmaModel, EwmaRecipe
from cbi_pipeline.forecasting.panel import Panel

if TYPE_CHECKING:
    from cbi_pipeline.forecasting.records import EpochRecord


@dataclass(frozen=True)
class Ewma(Estimator):
    """Only the quantiles of the shape are worked out."""

    recipe: EwmaRecipe = field(default_factory=EwmaRecipe)
    recipe_type = EwmaRecipe

    def fit(
        self,
        panel: Panel,
        fold: Fold,
        *,
        checkpoints: Path | None = None,
        on_epoch: Callable[[EpochRecord], None] | None = None,
    ) -> Fitted:
        """The model of the shape's quantiles."""
        unit = tuple(unit_t(self.levels).tolist())
        return Fitted(EwmaModel(self.recipe, panel.spec, unit))


def unit_t(levels: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """Quantiles [Q] of the prior's Student's t, scaled to unit variance."""
    scale = np.sqrt((student.DEGREES - 2.0) / student.DEGREES)
    return np.asarray(stats.t.ppf(levels, student.DEGREES) * scale, dtype=np.float64)
