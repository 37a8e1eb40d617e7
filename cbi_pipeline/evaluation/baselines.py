"""What is forecast with: recipes and the naive forecasts they must beat, behind one face."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from cbi_pipeline.evaluation.contenders import (
    Absence,
    Contender,
    Floats,
    Levels,
    Rows,
    by_commodity,
    sit_out,
    untrained,
)
from cbi_pipeline.forecasting import student
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.forecaster import Forecasts
from cbi_pipeline.forecasting.founding import anchored_untrained
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.recipe import DEFAULT_LEVELS, Recipe
from cbi_pipeline.forecasting.scaler import constant_features
from cbi_pipeline.forecasting.train import fit

CLIMATOLOGY, EWMA, PRIOR = "climatology", "ewma", "prior"
BASELINES = (CLIMATOLOGY, EWMA, PRIOR)
"""The naive forecasts that every champion must beat."""
REFERENCES = (*BASELINES, "garch_t", "gjr_t", "lightgbm")
"""What skill is stated against, where it was forecast."""

# Past returns that an empirical distribution needs before its 5 % and 95 % quantiles mean much.
FEWEST_RETURNS = 40
YEAR_US = round(365.25 * 86_400_000_000)


@dataclass(frozen=True)
class Learned(Contender):
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

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Every row of a fold with nothing to train on, or with a column that never varied."""
        rows = self._train_rows(panel, fold)
        if not rows.size:
            return untrained(panel, fold)
        constant = constant_features(panel, torch.from_numpy(rows).to(panel.values_RF.device))
        if not constant:
            return ()
        reason = f"{', '.join(constant)} never varied in the rows known at the refit of {fold.name}"
        return sit_out(panel, fold, reason)

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Train on the fold (continuing a checkpoint in ``folder``), keep the model, predict."""
        checkpoints = folder / "checkpoint" if folder else None
        rows = self._train_rows(panel, fold)
        result = fit(self.recipe, panel, rows, fold.validation_rows, checkpoint_dir=checkpoints)
        if folder:
            result.forecaster.save(folder / "model")
        return result.forecaster.predict(panel, fold.test_rows)

    def _train_rows(self, panel: Panel, fold: Fold) -> Rows:
        if self.rolling_years is None:
            return fold.train_rows
        decision = panel.decision_at_R.cpu().numpy()[fold.train_rows]
        return fold.train_rows[decision > fold.refit_at_us - self.rolling_years * YEAR_US]


@dataclass(frozen=True)
class Climatology(Contender):
    """Empirical quantiles of all the commodity's own past returns over the same horizon.

    Expanding: at each origin, all returns between rows decided by its instant, each price as known
    when its own row was. Quantiles by rank / (n + 1) with linear interpolation, which cover
    exchangeable returns exactly.

    Attributes:
        levels: quantile levels.
        name: name in the tables.
    """

    levels: Levels = DEFAULT_LEVELS
    name: str = CLIMATOLOGY

    def identity(self) -> str:
        """Hash of name and levels."""
        return _identity(self.name, self.levels)

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Rows at which fewer than 40 past returns were public at one of the horizons."""
        absent = []
        for commodity, rows in by_commodity(panel, fold.test_rows).items():
            pasts = Pasts.of(panel, commodity)
            counts = np.array([[len(past) for past in pasts.until(row)] for row in rows])
            if (short := counts.min(axis=1) < FEWEST_RETURNS).any():
                fewest = counts[short][-1]
                reason = (
                    f"{fewest.min()} past returns at {panel.spec.horizons[fewest.argmin()]} were "
                    f"public at its last such origin, it needs {FEWEST_RETURNS}"
                )
                absent.append(Absence(commodity, rows[short], reason))
        return absent

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Quantiles, share of rises and standard deviation of the returns known at each origin."""
        shape = (len(fold.test_rows), len(panel.spec.horizons))
        q, up, vol = np.empty((*shape, len(self.levels))), np.empty(shape), np.empty(shape)
        for commodity, rows in by_commodity(panel, fold.test_rows).items():
            pasts = Pasts.of(panel, commodity)
            for n, row in zip(np.flatnonzero(np.isin(fold.test_rows, rows)), rows, strict=True):
                for h, past in enumerate(pasts.until(row)):
                    q[n, h] = np.quantile(past, self.levels, method="weibull")
                    up[n, h], vol[n, h] = np.mean(past > 0.0), np.std(past, ddof=1)
        return Forecasts(q, up, vol)


@dataclass(frozen=True, slots=True, eq=False)
class Pasts:
    """One commodity's returns over each horizon, from row to row.

    Attributes:
        first: the commodity's first row of the panel.
        decision: int64 [N], instants of its rows, microseconds UTC, non-decreasing.
        steps: [H], sessions ahead.
        returns: [H] float64 [N - steps], NaN unless both prices are positive.
    """

    first: int
    decision: npt.NDArray[np.int64]
    steps: tuple[int, ...]
    returns: tuple[Floats, ...]

    @classmethod
    def of(cls, panel: Panel, commodity: str) -> Pasts:
        """The returns of a commodity of the panel."""
        code = panel.spec.commodities.index(commodity)
        rows = np.flatnonzero(panel.commodity_R.cpu().numpy() == code)
        price = panel.price_R.numpy()[rows]
        level = np.log(np.where(price > 0.0, price, np.nan))
        steps = panel.spec.steps[code]
        # Rounded as the panel's targets are, which hold returns in single precision.
        returns = ((level[h:] - level[:-h]).astype(np.float32).astype(np.float64) for h in steps)
        decision = panel.decision_at_R.cpu().numpy()[rows]
        return cls(int(rows[0]), decision, steps, tuple(returns))

    def until(self, row: int) -> list[Floats]:
        """The returns between rows decided by a row's instant, per horizon, in order of origins."""
        instant = self.decision[row - self.first]
        count = int(np.searchsorted(self.decision, instant, side="right"))
        pasts = (
            returns[: max(count - steps, 0)]
            for steps, returns in zip(self.steps, self.returns, strict=True)
        )
        return [past[~np.isnan(past)] for past in pasts]


@dataclass(frozen=True)
class Ewma(Contender):
    """No change, with the EWMA(0.97) variance times the sessions ahead.

    The shape is the prior's, so that the two differ in their variance alone.
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
    """The anchored network untrained, which is its prior: see `cbi_pipeline.forecasting.prior`."""
    return Learned(anchored_untrained(feature_set), alias=PRIOR)


def baselines(feature_set: str) -> tuple[Contender, ...]:
    """The naive forecasts on a panel of a feature set, in the order of `BASELINES`."""
    return (Climatology(), Ewma(), prior(feature_set))


def unit_t(levels: Levels) -> Floats:
    """Quantiles [Q] of the prior's Student's t, scaled to unit variance."""
    scale = np.sqrt((student.DEGREES - 2.0) / student.DEGREES)
    return np.asarray(stats.t.ppf(levels, student.DEGREES) * scale, dtype=np.float64)


def _identity(name: str, levels: Levels) -> str:
    return hashlib.sha256(f"{name} {levels}".encode()).hexdigest()
