"""Fitting a GARCH per commodity at each refit, by maximum likelihood."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cbi_pipeline.evaluation.models.garch_table import round_digits, tabulate
from cbi_pipeline.forecasting.folds import Fold, day_name
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted
from cbi_pipeline.forecasting.models.garch import (
    FittedGarch,
    GarchRecipe,
    Parameters,
    TabulatedGarchModel,
)
from cbi_pipeline.forecasting.models.model import Absence, Floats, by_commodity, count_rows
from cbi_pipeline.forecasting.models.returns import Returns
from cbi_pipeline.forecasting.panel import Panel

if TYPE_CHECKING:
    from cbi_pipeline.forecasting.records import EpochRecord

FEWEST_RETURNS = 250
# A fit that does not come out is made on what was public a calendar quarter before, and so on.
QUARTERS_BACK = 4
# From here on the variance has no mean to return to, and the filter nowhere to start.
HIGHEST_PERSISTENCE = 1.0 - 1e-6
# Where the optimiser stops at its bound for the degrees of freedom, the shocks have no variance.
FEWEST_DEGREES = 2.06

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Garch(Estimator):
    """Each commodity by itself, on the returns of the rows decided by the refit."""

    recipe: GarchRecipe = field(default_factory=GarchRecipe)
    recipe_type = GarchRecipe

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Every row of a commodity with fewer than 250 returns at the refit, or without a fit."""
        return [
            Absence(commodity, rows, reason)
            for commodity, rows in by_commodity(panel, fold.test_rows).items()
            if (reason := self._refuse(Returns.of(panel, commodity), fold))
        ]

    def fit(
        self,
        panel: Panel,
        fold: Fold,
        *,
        checkpoints: Path | None = None,
        on_epoch: Callable[[EpochRecord], None] | None = None,
    ) -> Fitted:
        """The variance equations of the commodities that are forecast and have history enough."""
        fitted = {}
        steps = dict(zip(panel.spec.commodities, panel.spec.steps, strict=True))
        for commodity in by_commodity(panel, fold.test_rows):
            equation = self._fit_newest(Returns.of(panel, commodity), fold)
            if equation is not None:
                fitted[commodity] = self._tabulate(commodity, equation, panel, fold, steps)
        rows = count_rows(panel, fold.refit_at_us)
        return Fitted(TabulatedGarchModel(self.recipe, panel.spec, fitted, rows))

    def _refuse(self, returns: Returns, fold: Fold) -> str:
        """Why a commodity has no variance equation; empty where it has."""
        count = len(returns.until(fold.refit_at_us))
        if count < FEWEST_RETURNS:
            return (
                f"{count} returns were public at the refit of {fold.name}, "
                f"it needs {FEWEST_RETURNS}"
            )
        if self._fit_newest(returns, fold) is None:
            return (
                f"no fit came out at the refit of {fold.name}, nor on what was public in the "
                f"{QUARTERS_BACK} quarters before"
            )
        return ""

    def _fit_newest(self, returns: Returns, fold: Fold) -> tuple[Parameters, str] | None:
        """The newest equation that could be fitted by the refit, and the day it is of."""
        for instant in _refits_back(fold.refit_at_us):
            percent = returns.until(instant)
            if len(percent) < FEWEST_RETURNS:
                return None
            equation = fit_returns(percent, asymmetric=self.recipe.asymmetric)
            if equation is not None:
                return equation, day_name(instant)
        return None

    def _tabulate(
        self,
        commodity: str,
        newest: tuple[Parameters, str],
        panel: Panel,
        fold: Fold,
        steps: dict[str, tuple[int, ...]],
    ) -> FittedGarch:
        equation, until = newest
        if until != day_name(fold.refit_at_us):
            _log.warning(
                "%s of %s: no fit came out at the refit of %s; it keeps that of %s",
                *(self.name, commodity, fold.name, until),
            )
        percent = Returns.of(panel, commodity).until(fold.refit_at_us)
        variances = equation.filter(percent)
        table = tabulate(equation, variances, steps[commodity], self.levels)
        return FittedGarch(equation, until, table)


def fit_returns(percent: Floats, *, asymmetric: bool) -> Parameters | None:
    """The variance equation of percent returns; None where none can be told from two starts.

    A fit counts when the optimiser converged to a persistence below one and to shocks that have a
    variance. What was fitted once in a process is not fitted again.
    """
    data = np.ascontiguousarray(percent)
    return _fit_once(_Series(hashlib.sha256(data.data).hexdigest(), data), asymmetric)


@dataclass(frozen=True, slots=True)
class _Series:
    """Returns under the name of their bytes."""

    name: str
    percent: Floats = field(compare=False)


@lru_cache(maxsize=512)
def _fit_once(series: _Series, asymmetric: bool) -> Parameters | None:
    from arch import arch_model  # takes a second to import, and most runs fit no GARCH

    order = int(asymmetric)
    model = arch_model(
        series.percent, mean="Zero", vol="GARCH", p=1, o=order, q=1, dist="t", rescale=False
    )
    for start in (None, _second_start(series.percent, order)):
        fit = model.fit(disp="off", show_warning=False, starting_values=start)
        equation = _read(fit.params)
        if fit.convergence_flag == 0 and _is_sound(equation):
            return equation
    return None


def _second_start(percent: Floats, order: int) -> Floats:
    """Omega, alpha, gamma where there is one, beta and degrees of a usual daily price."""
    leverage = [0.03, 0.04] if order else [0.05]
    return np.array([0.05 * percent.var(), *leverage, 0.9, 8.0])


def _read(estimates: Any) -> Parameters:  # noqa: ANN401
    names = ("omega", "alpha[1]", "gamma[1]", "beta[1]", "nu")
    return Parameters(*(round_digits(float(estimates.get(name, 0.0))) for name in names))


def _is_sound(equation: Parameters) -> bool:
    return (
        equation.omega > 0.0
        and equation.persistence < HIGHEST_PERSISTENCE
        and equation.degrees > FEWEST_DEGREES
    )


def _refits_back(refit_at_us: int) -> Iterator[int]:
    """A refit, and the starts of the calendar quarters before it (microseconds UTC)."""
    yield refit_at_us
    month = np.datetime64(refit_at_us - 1, "us").astype("datetime64[M]").astype(np.int64)
    for back in range(QUARTERS_BACK):
        start = np.datetime64(int(month - month % 3 - 3 * back), "M")
        yield int(start.astype("datetime64[us]").astype(np.int64))
