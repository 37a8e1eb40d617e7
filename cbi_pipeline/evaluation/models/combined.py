"""Fitting the members of a combined forecast, each by its own estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cbi_pipeline.evaluation.estimators import estimator_of
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.autoregression import ReturnMean, fit_mean
from cbi_pipeline.forecasting.models.combined import CombinedModel, CombinedRecipe
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted
from cbi_pipeline.forecasting.models.model import Absence, Rows, by_commodity
from cbi_pipeline.forecasting.models.returns import Returns
from cbi_pipeline.forecasting.models.statistical import StatisticalModel
from cbi_pipeline.forecasting.panel import Panel

if TYPE_CHECKING:
    from cbi_pipeline.forecasting.records import EpochRecord


@dataclass(frozen=True)
class Combined(Estimator):
    """Members side by side on the same fold; what one cannot forecast, the others do."""

    recipe: CombinedRecipe
    recipe_type = CombinedRecipe

    @property
    def modules(self) -> tuple[str, ...]:
        """Its own, and those of the members."""
        members = (module for member in self._members.values() for module in member.modules)
        return tuple(dict.fromkeys((*super().modules, *members)))

    @property
    def _members(self) -> Mapping[str, Estimator]:
        return {name: estimator_of(recipe) for name, recipe in self.recipe.recipes().items()}

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Rows that no member can forecast, with the reason of each."""
        absent: list[Absence] = []
        refusals = {name: self._refuse(name, panel, fold) for name in self._members}
        for commodity, rows in by_commodity(panel, fold.test_rows).items():
            own = [refusals[name].get(commodity) for name in self.recipe.weights(commodity)]
            for refusal in own:
                rows = np.intersect1d(rows, refusal.rows) if refusal else rows[:0]
            if rows.size:
                reasons = dict.fromkeys(refusal.reason for refusal in own if refusal)
                absent.append(Absence(commodity, rows, "; ".join(reasons)))
        return absent

    def fit(
        self,
        panel: Panel,
        fold: Fold,
        *,
        checkpoints: Path | None = None,
        on_epoch: Callable[[EpochRecord], None] | None = None,
    ) -> Fitted:
        """The members' models, and the means of predictable returns."""
        members = {
            name: member.fit(panel, self._own_fold(name, panel, fold)).model
            for name, member in self._members.items()
        }
        means = self._fit_means(panel, fold) if self.recipe.mean else {}
        return Fitted(
            CombinedModel(
                recipe=self.recipe,
                spec=panel.spec,
                members={name: _as_statistical(model) for name, model in members.items()},
                means=means,
            )
        )

    def _refuse(self, name: str, panel: Panel, fold: Fold) -> dict[str, Absence]:
        """What a member cannot forecast, by commodity."""
        absences = self._members[name].absences(panel, self._own_fold(name, panel, fold))
        return {absence.commodity: absence for absence in absences}

    def _own_fold(self, name: str, panel: Panel, fold: Fold) -> Fold:
        """The fold with the rows alone of commodities that a member forecasts."""
        rows = [
            rows
            for commodity, rows in by_commodity(panel, fold.test_rows).items()
            if name in self.recipe.weights(commodity)
        ]
        kept: Rows = np.sort(np.concatenate(rows)) if rows else fold.test_rows[:0]
        return replace(fold, test_rows=kept)

    def _fit_means(self, panel: Panel, fold: Fold) -> dict[str, ReturnMean]:
        means = {}
        for commodity in by_commodity(panel, fold.test_rows):
            percent = Returns.of(panel, commodity).until(fold.refit_at_us)
            steps = panel.spec.steps[panel.spec.commodities.index(commodity)]
            if (mean := fit_mean(percent, steps)) is not None:
                means[commodity] = mean
        return means


def _as_statistical(model: object) -> StatisticalModel:
    if not isinstance(model, StatisticalModel):
        raise TypeError(f"a member is a statistical model, {type(model).__name__} is none")
    return model
