"""What is forecast with: recipes and the naive forecasts they must beat, behind one face."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from scipy import stats

from cbi_pipeline.evaluation.contenders import (
    Absence,
    Contender,
    Floats,
    Levels,
    Rows,
    absent,
    by_commodity,
    untrained,
)
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.forecaster import Forecasts
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.presets import anchored_untrained
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
T_DEGREES = 6.0
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
        return absent(panel, fold, reason)

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

    Expanding: at each origin, all returns that were public at its decision instant, each in its
    newest version then. Quantiles by rank / (n + 1) with linear interpolation, which cover
    exchangeable returns exactly.

    Attributes:
        targets: ``features.target`` rows of the panel's feature set, all versions.
        levels: quantile levels.
        name: name in the tables.
    """

    targets: pl.DataFrame = field(repr=False, compare=False)
    levels: Levels = DEFAULT_LEVELS
    name: str = CLIMATOLOGY

    def identity(self) -> str:
        """Hash of name and levels."""
        return _identity(self.name, self.levels)

    def basis(self, until_us: int) -> str:
        """Hash of all returns public until an instant."""
        digest = hashlib.sha256()
        for cell, returns in self._returns.items():
            digest.update(repr(cell).encode() + returns.until(until_us).content())
        return digest.hexdigest()

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Rows at which fewer than 40 past returns were public at one of the horizons."""
        absent = []
        for commodity, rows in by_commodity(panel, fold.test_rows).items():
            counts = np.array([[len(past) for past in self._pasts(panel, row)] for row in rows])
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
        for n, row in enumerate(fold.test_rows):
            for h, past in enumerate(self._pasts(panel, row)):
                q[n, h] = np.quantile(past, self.levels, method="weibull")
                up[n, h], vol[n, h] = np.mean(past > 0.0), np.std(past, ddof=1)
        return Forecasts(q, up, vol)

    def _pasts(self, panel: Panel, row: int) -> list[Floats]:
        """The returns public at a row's instant, per horizon, in order of their origins."""
        code, instant = int(panel.commodity_R[row]), int(panel.decision_at_R[row])
        commodity = panel.spec.commodities[code]
        cells = [(commodity, steps) for steps in panel.spec.steps[code]]
        return [
            self._returns[cell].until(instant).newest() if cell in self._returns else np.empty(0)
            for cell in cells
        ]

    @cached_property
    def _returns(self) -> dict[tuple[str, int], _Returns]:
        ordered = self.targets.sort("commodity", "horizon", "version", "session")
        parts = ordered.partition_by("commodity", "horizon", as_dict=True, maintain_order=True)
        return {(str(c), int(h)): _Returns.of(part) for (c, h), part in parts.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Returns:
    """Versions of the returns of one commodity over one horizon, in order of version.

    Attributes:
        origin: int32 [V], origin session, days since 1970-01-01.
        public: int64 [V], microseconds UTC.
        value: float64 [V], NaN where the version withdraws the return.
    """

    origin: npt.NDArray[np.int32]
    public: npt.NDArray[np.int64]
    value: Floats

    @classmethod
    def of(cls, part: pl.DataFrame) -> _Returns:
        """The versions of ``features.target`` rows sorted by version."""
        return cls(
            part["session"].to_physical().to_numpy(),
            part["available_at"].dt.epoch("us").to_numpy(),
            # Rounded as in the panel, which holds returns in single precision.
            part["value"].cast(pl.Float32).cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        )

    def until(self, instant: int) -> _Returns:
        """The versions public until an instant."""
        told = self.public <= instant
        return _Returns(self.origin[told], self.public[told], self.value[told])

    def newest(self) -> Floats:
        """The newest value of each return that has one, in order of origins."""
        origins, place = np.unique(self.origin, return_inverse=True)
        value = np.empty(len(origins))
        # Where a return has several versions the last one assigned stays, which is the newest.
        value[place] = self.value
        newest: Floats = value[~np.isnan(value)]
        return newest

    def content(self) -> bytes:
        """Every bit of it."""
        return b"".join(part.tobytes() for part in (self.origin, self.public, self.value))


@dataclass(frozen=True)
class Ewma(Contender):
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


def baselines(feature_set: str, targets: pl.DataFrame) -> tuple[Contender, ...]:
    """The naive forecasts, in the order of `BASELINES`.

    Args:
        feature_set: of the panel.
        targets: ``features.target`` rows of that feature set, all versions.
    """
    return (Climatology(targets), Ewma(), prior(feature_set))


def unit_t(levels: Levels, degrees: float = T_DEGREES) -> Floats:
    """Quantiles [Q] of Student's t scaled to unit variance."""
    scale = np.sqrt((degrees - 2.0) / degrees)
    return np.asarray(stats.t.ppf(levels, degrees) * scale, dtype=np.float64)


def _identity(name: str, levels: Levels) -> str:
    return hashlib.sha256(f"{name} {levels}".encode()).hexdigest()
