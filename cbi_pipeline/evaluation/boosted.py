"""Gradient-boosted quantiles: what trees make of the same features, for those who install them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cbi_pipeline.evaluation.baselines import unit_t
from cbi_pipeline.evaluation.contenders import Absence, Contender, Floats, Levels, Rows, untrained
from cbi_pipeline.forecasting import prior
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.forecaster import Forecasts
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.recipe import DEFAULT_LEVELS

ROUNDS = 150
PATIENCE = 15
# Small, shrunken trees: returns hold little that can be learned. One thread and a fixed order of
# sums give the same trees on every machine.
SETTINGS = {
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


@dataclass(frozen=True)
class Boosted(Contender):
    """LightGBM with one model per level and horizon, all commodities together.

    It learns returns in units of the prior's volatility, from the features, the commodity and
    both variances, and stops where its loss on the validation rows stops falling. Quantiles that
    cross are sorted (Chernozhukov, Fernandez-Val and Galichon, 2010).
    """

    levels: Levels = DEFAULT_LEVELS
    name: str = "lightgbm"

    def identity(self) -> str:
        """Hash of name, levels, settings and the library's version.

        Raises:
            ValueError: LightGBM is not installed.
        """
        if find_spec("lightgbm") is None:
            raise ValueError(
                "the catalogue asks for LightGBM, which is not installed: install the extra with "
                "`pip install 'cbi-pipeline[boost]'` or set lightgbm = false under [evaluation]"
            )
        parts = (self.name, self.levels, SETTINGS, ROUNDS, PATIENCE, metadata.version("lightgbm"))
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Every row of a fold without anything to train on."""
        return () if fold.train_rows.size else untrained(panel, fold)

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Train on the fold's rows and forecast its test rows."""
        seen, scale = _inputs(panel), _scale(panel)
        z = panel.target_RH.cpu().numpy().astype(np.float64) / scale
        known = panel.target_mask_RH.cpu().numpy()
        shape = (len(fold.test_rows), z.shape[1])
        units = np.empty((*shape, len(self.levels)))
        for h in range(shape[1]):
            train, validation = (
                rows[known[rows, h]] for rows in (fold.train_rows, fold.validation_rows)
            )
            for n, level in enumerate(self.levels):
                model = _fit(seen, z[:, h], train, validation, level)
                units[:, h, n] = model.predict(seen[fold.test_rows])
        units.sort(axis=2)
        return _forecasts(units, scale[fold.test_rows], self.levels)


def _fit(seen: Floats, z: Floats, train: Rows, validation: Rows, level: float) -> Any:  # noqa: ANN401
    import lightgbm

    known = lightgbm.Dataset(seen[train], z[train], free_raw_data=False)
    held_out = lightgbm.Dataset(seen[validation], z[validation], reference=known)
    return lightgbm.train(
        {**SETTINGS, "alpha": level},
        known,
        ROUNDS,
        valid_sets=[held_out],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )


def _inputs(panel: Panel) -> Floats:
    features = panel.values_RF.cpu().numpy().astype(np.float64)
    present = np.where(panel.mask_RF.cpu().numpy(), features, np.nan)
    variances = np.log(np.maximum(panel.variance_R2.cpu().numpy().astype(np.float64), 1e-12))
    commodity = panel.commodity_R.cpu().numpy().astype(np.float64)
    return np.column_stack([present, variances, commodity])


def _scale(panel: Panel) -> Floats:
    """The prior's standard deviation of each row's return over each horizon, [R, H]."""
    variance = prior.one_session_variance(panel.variance_R2.cpu().numpy().astype(np.float64))
    steps = np.array(panel.spec.steps, dtype=np.float64)[panel.commodity_R.cpu().numpy()]
    scale: Floats = np.sqrt(np.maximum(variance, 1e-12)[:, None] * steps)
    return scale


def _forecasts(units: Floats, scale: Floats, levels: Levels) -> Forecasts:
    """Quantiles in log return; chance of a rise and volatility read off the quantiles."""
    grid = np.array(levels)
    flat = units.reshape(-1, len(grid))
    below = np.array([np.interp(0.0, row, grid) for row in flat]).reshape(scale.shape)
    reach = unit_t((0.9,))[0] - unit_t((0.1,))[0]
    low, high = (int(np.argmin(np.abs(grid - level))) for level in (0.1, 0.9))
    spread = np.maximum(units[..., high] - units[..., low], 1e-6) / reach
    return Forecasts(units * scale[..., None], 1.0 - below, spread * scale)
