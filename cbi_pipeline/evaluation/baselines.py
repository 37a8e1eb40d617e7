"""What is forecast with: recipes and the naive forecasts they must beat, behind one face."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import stats

from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.forecaster import Forecasts
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.presets import anchored_untrained
from cbi_pipeline.forecasting.recipe import DEFAULT_LEVELS, Recipe
from cbi_pipeline.forecasting.train import fit

Floats = npt.NDArray[np.float64]
Levels = tuple[float, ...]

CLIMATOLOGY, EWMA, PRIOR = "climatology", "ewma", "prior"
BASELINES = (CLIMATOLOGY, EWMA, PRIOR)
"""The naive forecasts that every champion must beat."""
REFERENCES = (*BASELINES, "garch_t", "gjr_t", "lightgbm")
"""What skill is stated against, where it was forecast."""

# Past returns that an empirical distribution needs before its 5 % and 95 % quantiles mean much.
FEWEST_RETURNS = 40
T_DEGREES = 6.0
YEAR_US = round(365.25 * 86_400_000_000)


class Contender(Protocol):
    """Anything that forecasts the test rows of a fold from what was known at its refit."""

    @property
    def name(self) -> str:
        """Name in the tables."""
        ...

    @property
    def levels(self) -> Levels:
        """Quantile levels, increasing."""
        ...

    def identity(self) -> str:
        """Hash of everything that decides the forecasts, apart from the panel."""
        ...

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Forecasts of ``fold.test_rows``; ``folder`` may keep checkpoints and the model."""
        ...


@dataclass(frozen=True)
class Learned:
    """A recipe, trained anew for each fold.

    Attributes:
        recipe: what is trained.
        alias: name in the tables when it is not the recipe's own.
        rolling_years: train on that many newest years only; by default on all that is known.
    """

    recipe: Recipe
    alias: str = ""
    rolling_years: int | None = None

    @property
    def name(self) -> str:
        """Name in the tables."""
        return self.alias or self.recipe.name

    @property
    def levels(self) -> Levels:
        """Quantile levels of the recipe."""
        return self.recipe.levels

    def identity(self) -> str:
        """The recipe's, and the rolling window's where there is one."""
        if self.rolling_years is None:
            return self.recipe.identity()
        return _identity(f"{self.recipe.identity()} {self.rolling_years} years", self.levels)

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Train on the fold (continuing a checkpoint in ``folder``), keep the model, predict."""
        checkpoints = folder / "checkpoint" if folder else None
        rows = self._train_rows(panel, fold)
        result = fit(self.recipe, panel, rows, fold.validation_rows, checkpoint_dir=checkpoints)
        if folder:
            result.forecaster.save(folder / "model")
        return result.forecaster.predict(panel, fold.test_rows)

    def _train_rows(self, panel: Panel, fold: Fold) -> npt.NDArray[np.int64]:
        if self.rolling_years is None:
            return fold.train_rows
        decision = panel.decision_at_R.cpu().numpy()[fold.train_rows]
        return fold.train_rows[decision > fold.refit_at_us - self.rolling_years * YEAR_US]


@dataclass(frozen=True)
class Climatology:
    """Empirical quantiles of all the commodity's own past returns over the same horizon.

    Expanding: at each origin, all returns that were public at its decision instant. Quantiles by
    rank / (n + 1) with linear interpolation, which cover exchangeable returns exactly.
    """

    levels: Levels = DEFAULT_LEVELS
    name: str = CLIMATOLOGY

    def identity(self) -> str:
        """Hash of name and levels."""
        return _identity(self.name, self.levels)

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Quantiles, share of rises and standard deviation of the returns known at each origin.

        Raises:
            ValueError: fewer than 40 past returns are known at an origin.
        """
        commodity = panel.commodity_R.cpu().numpy()
        decision = panel.decision_at_R.cpu().numpy()
        public = panel.target_available_RH.cpu().numpy()
        returns = panel.target_RH.cpu().numpy().astype(np.float64)
        known = panel.target_mask_RH.cpu().numpy()
        shape = (len(fold.test_rows), len(panel.spec.horizons))
        q, up, vol = np.empty((*shape, len(self.levels))), np.empty(shape), np.empty(shape)
        for n, row in enumerate(fold.test_rows):
            own = commodity == commodity[row]
            for h in range(shape[1]):
                past = returns[own & known[:, h] & (public[:, h] <= decision[row]), h]
                self._enough(past, panel, int(commodity[row]), h)
                q[n, h] = np.quantile(past, self.levels, method="weibull")
                up[n, h], vol[n, h] = np.mean(past > 0.0), np.std(past, ddof=1)
        return Forecasts(q, up, vol)

    def _enough(self, past: Floats, panel: Panel, commodity: int, horizon: int) -> None:
        if len(past) < FEWEST_RETURNS:
            raise ValueError(
                f"climatology of {panel.spec.commodities[commodity]} at "
                f"{panel.spec.horizons[horizon]} knows {len(past)} past returns, needs "
                f"{FEWEST_RETURNS}; evaluate fewer years or load more history"
            )


@dataclass(frozen=True)
class Ewma:
    """No change, with the EWMA(0.97) variance times the sessions ahead.

    The shape is Student's t with 6 degrees of freedom scaled to unit variance, as in the prior, so
    that the two differ in their variance alone.
    """

    levels: Levels = DEFAULT_LEVELS
    name: str = EWMA

    def identity(self) -> str:
        """Hash of name and levels."""
        return _identity(self.name, self.levels)

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Quantiles around zero; `up` is one half, so no direction is called."""
        rows = fold.test_rows
        variance = panel.variance_R2.cpu().numpy()[rows, 0].astype(np.float64)
        steps = np.array(panel.spec.steps, dtype=np.float64)[panel.commodity_R.cpu().numpy()[rows]]
        volatility = np.sqrt(variance[:, None] * steps)
        return Forecasts(
            volatility[..., None] * unit_t(self.levels), np.full(steps.shape, 0.5), volatility
        )


def prior(feature_set: str) -> Learned:
    """The anchored network untrained, which is its prior: half EWMA, half long-run variance, t6."""
    return Learned(anchored_untrained(feature_set), alias=PRIOR)


def baselines(feature_set: str) -> tuple[Contender, ...]:
    """The naive forecasts, in the order of `BASELINES`."""
    return (Climatology(), Ewma(), prior(feature_set))


def unit_t(levels: Levels, degrees: float = T_DEGREES) -> Floats:
    """Quantiles [Q] of Student's t scaled to unit variance."""
    scale = np.sqrt((degrees - 2.0) / degrees)
    return np.asarray(stats.t.ppf(levels, degrees) * scale, dtype=np.float64)


def _identity(name: str, levels: Levels) -> str:
    return hashlib.sha256(f"{name} {levels}".encode()).hexdigest()
