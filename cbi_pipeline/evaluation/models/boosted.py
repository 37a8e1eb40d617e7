"""Gradient-boosted quantiles: what trees make of the same features, for those who install them.

Their predicting half needs LightGBM, so it stays here; a registered version carries this file along
with the forecasting package, and names the library among its requirements.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from cbi_pipeline.forecasting import student
from cbi_pipeline.forecasting.config import Json
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted, sit_out_untrained
from cbi_pipeline.forecasting.models.model import Absence, Floats, Forecasts, Rows, steps_of
from cbi_pipeline.forecasting.models.recipe import ModelRecipe
from cbi_pipeline.forecasting.models.statistical import StatisticalModel
from cbi_pipeline.forecasting.panel import Panel, PanelSpec
from cbi_pipeline.forecasting.prior import one_session_variance

if TYPE_CHECKING:
    from cbi_pipeline.forecasting.records import EpochRecord

ROUNDS = 150
PATIENCE = 15
# Small, shrunken trees: returns hold little that can be learned. One thread and a fixed order of
# sums give the same trees on every machine.
SETTINGS: Mapping[str, Any] = {
    "objective": "quantile",
    "num_leaves": 7,
    "learning_rate": 0.05,
    "min_data_in_leaf": 100,
    "lambda_l2": 10.0,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 20_240_616,
    "verbosity": -1,
}


@dataclass(frozen=True, kw_only=True)
class BoostedRecipe(ModelRecipe, kind="boosted"):
    """LightGBM with one model per level and horizon, all commodities together."""


@dataclass(frozen=True, eq=False)
class BoostedModel(StatisticalModel):
    """Trees that predict returns in units of the prior's volatility.

    They read the features, the commodity and both variances. Quantiles that cross are sorted
    (Chernozhukov, Fernandez-Val and Galichon, 2010).

    Attributes:
        trees: [H][Q], LightGBM's own text of each model.
    """

    trees: tuple[tuple[str, ...], ...]
    recipe_type = BoostedRecipe
    libraries: ClassVar[tuple[str, ...]] = ("lightgbm",)

    def predict(self, panel: Panel, rows_N: Rows) -> Forecasts:
        """Quantiles of the trees; chance of a rise and volatility read off the quantiles."""
        import lightgbm

        self.check_axes(panel.spec)
        seen, scale = _inputs(panel, rows_N), _scale(panel, rows_N)
        units = np.empty((*scale.shape, len(self.recipe.levels)))
        for h, models in enumerate(self.trees):
            for n, text in enumerate(models):
                units[:, h, n] = lightgbm.Booster(model_str=text).predict(seen)
        units.sort(axis=2)
        return _forecasts(units, scale, self.recipe.levels)

    def parameters(self) -> Json:
        """The trees."""
        return {"trees": [list(models) for models in self.trees]}

    @classmethod
    def of_parameters(cls, recipe: Any, spec: PanelSpec, parameters: Any, named: Any) -> Self:  # noqa: ANN401
        """The model of these trees."""
        return cls(recipe, spec, tuple(map(tuple, parameters["trees"])), named=named)


@dataclass(frozen=True)
class Boosted(Estimator):
    """Trees are added until the loss on the validation rows stops falling."""

    recipe: BoostedRecipe
    recipe_type = BoostedRecipe
    learns = True

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Every row of a fold without anything to train on."""
        return () if fold.train_rows.size else sit_out_untrained(panel, fold)

    def fit(
        self,
        panel: Panel,
        fold: Fold,
        *,
        checkpoints: Path | None = None,
        on_epoch: "Callable[[EpochRecord], None] | None" = None,
    ) -> Fitted:
        """One model per horizon and level."""
        every = np.arange(panel.rows)
        seen, scale = _inputs(panel, every), _scale(panel, every)
        z = panel.target_RH.cpu().numpy().astype(np.float64) / scale
        has_target = panel.target_mask_RH.cpu().numpy()
        trees = []
        for h in range(z.shape[1]):
            train, validation = (
                rows[has_target[rows, h]] for rows in (fold.train_rows, fold.validation_rows)
            )
            grown = (_grow(seen, z[:, h], train, validation, level) for level in self.levels)
            trees.append(tuple(grown))
        return Fitted(BoostedModel(self.recipe, panel.spec, tuple(trees)))


def _grow(seen: Floats, z: Floats, train: Rows, validation: Rows, level: float) -> str:
    import lightgbm

    data = lightgbm.Dataset(seen[train], z[train], free_raw_data=False)
    held_out = lightgbm.Dataset(seen[validation], z[validation], reference=data)
    model = lightgbm.train(
        {**SETTINGS, "alpha": level},
        data,
        ROUNDS,
        valid_sets=[held_out],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return str(model.model_to_string(num_iteration=model.best_iteration))


def _inputs(panel: Panel, rows: Rows) -> Floats:
    features = panel.values_RF.cpu().numpy()[rows].astype(np.float64)
    present = np.where(panel.mask_RF.cpu().numpy()[rows], features, np.nan)
    variances = np.log(np.maximum(panel.variance_R2.cpu().numpy()[rows].astype(np.float64), 1e-12))
    commodity = panel.commodity_R.cpu().numpy()[rows].astype(np.float64)
    return np.column_stack([present, variances, commodity])


def _scale(panel: Panel, rows: Rows) -> Floats:
    """The prior's standard deviation of each row's return over each horizon, [N, H]."""
    variance = one_session_variance(panel.variance_R2.cpu().numpy()[rows].astype(np.float64))
    scale: Floats = np.sqrt(np.maximum(variance, 1e-12)[:, None] * steps_of(panel, rows))
    return scale


def _forecasts(units: Floats, scale: Floats, levels: tuple[float, ...]) -> Forecasts:
    """Quantiles in log return; chance of a rise and volatility read off the quantiles."""
    grid = np.array(levels)
    flat = units.reshape(-1, len(grid))
    below = np.array([np.interp(0.0, row, grid) for row in flat]).reshape(scale.shape)
    reach = student.quantile(0.9) - student.quantile(0.1)
    low, high = (int(np.argmin(np.abs(grid - level))) for level in (0.1, 0.9))
    spread = np.maximum(units[..., high] - units[..., low], 1e-6) / reach
    return Forecasts(units * scale[..., None], 1.0 - below, spread * scale)
