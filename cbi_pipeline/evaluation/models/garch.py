"""Fitting a GARCH per commodity at each refit, by maximum likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted
from cbi_pipeline.forecasting.models.garch import (
    FEWEST_RETURNS,
    GarchModel,
    GarchRecipe,
    Parameters,
    Returns,
)
from cbi_pipeline.forecasting.models.model import Absence, Floats, by_commodity, count_rows
from cbi_pipeline.forecasting.panel import Panel

if TYPE_CHECKING:
    from cbi_pipeline.forecasting.records import EpochRecord


@dataclass(frozen=True)
class Garch(Estimator):
    """Each commodity by itself, on the returns of the rows decided by the refit."""

    recipe: GarchRecipe = field(default_factory=GarchRecipe)
    recipe_type = GarchRecipe

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Every row of a commodity of which fewer than 250 returns were public at the refit."""
        absent = []
        for commodity, rows in by_commodity(panel, fold.test_rows).items():
            count = len(Returns.of(panel, commodity).until(fold.refit_at_us))
            if count < FEWEST_RETURNS:
                reason = (
                    f"{count} returns were public at the refit of {fold.name}, "
                    f"it needs {FEWEST_RETURNS}"
                )
                absent.append(Absence(commodity, rows, reason))
        return absent

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
        for commodity in by_commodity(panel, fold.test_rows):
            percent = Returns.of(panel, commodity).until(fold.refit_at_us)
            if len(percent) >= FEWEST_RETURNS:
                fitted[commodity] = self._fit_returns(percent)
        rows = count_rows(panel, fold.refit_at_us)
        return Fitted(GarchModel(self.recipe, panel.spec, fitted, rows))

    def _fit_returns(self, percent: Floats) -> Parameters:
        from arch import arch_model  # takes a second to import, and most runs fit no GARCH

        order = 1 if self.recipe.asymmetric else 0
        model = arch_model(percent, mean="Zero", vol="GARCH", p=1, o=order, q=1, dist="t")
        fit = model.fit(disp="off", show_warning=False)
        fitted = fit.params
        gamma = float(fitted["gamma[1]"]) if order else 0.0
        return Parameters(
            float(fitted["omega"]), float(fitted["alpha[1]"]), gamma, float(fitted["beta[1]"]),
            float(fitted["nu"]),
        )  # fmt: skip
