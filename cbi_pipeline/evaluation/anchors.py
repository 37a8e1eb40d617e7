"""Fitting what a network adjusts, on what was public at the newest row that it trains on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cbi_pipeline.evaluation.estimators import estimator_of
from cbi_pipeline.forecasting.anchor import Anchor
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.estimator import Estimator
from cbi_pipeline.forecasting.models.model import Absence, Rows, by_commodity, count_rows
from cbi_pipeline.forecasting.models.recipe import StatisticalRecipe
from cbi_pipeline.forecasting.models.statistical import StatisticalModel
from cbi_pipeline.forecasting.panel import Panel

_NONE = np.array([], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class AnchorFit:
    """How an anchor is fitted for a fold.

    Attributes:
        estimator: of the anchor's recipe.
    """

    estimator: Estimator

    @classmethod
    def of(cls, recipe: StatisticalRecipe) -> AnchorFit:
        """The fit of a recipe, which states the levels of the network."""
        return cls(estimator_of(recipe))

    def fit(self, panel: Panel, fold: Fold) -> Anchor:
        """The anchor of a fold.

        The estimator is handed the rows decided by the newest training row's instant and the
        targets public by then: there is nothing later in the panel that it could read.
        """
        fitted_at = _newest_instant(panel, fold)
        earlier = panel.until(fitted_at)
        ready = np.flatnonzero(earlier.ready_R.cpu().numpy())
        own = Fold(fold.name, fitted_at, fold.train_rows[:0], _NONE, ready)
        model = self.estimator.fit(earlier, own).model
        if not isinstance(model, StatisticalModel):
            raise TypeError(f"an anchor is a statistical model, {type(model).__name__} is none")
        return Anchor(model, _extend(model.history, panel, fitted_at, fold.refit_at_us))

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Test rows that the anchor cannot forecast; nothing is fitted to tell."""
        return self._absences(panel, fold, fold.test_rows)

    def why_untrained(self, panel: Panel, fold: Fold) -> str:
        """Why a network has nothing to learn from over this anchor; empty where it has."""
        for use, rows in (("train", fold.train_rows), ("validate", fold.validation_rows)):
            newest = [own[-1:] for own in by_commodity(panel, rows).values()]
            asked = np.sort(np.concatenate(newest))
            absences = self._absences(panel, fold, asked)
            if sum(len(absence.rows) for absence in absences) == len(asked):
                reasons = dict.fromkeys(absence.reason for absence in absences)
                name = self.estimator.name
                return f"no row to {use} on has an anchor: {name}: {'; '.join(reasons)}"
        return ""

    def _absences(self, panel: Panel, fold: Fold, rows: Rows) -> Sequence[Absence]:
        fitted_at = _newest_instant(panel, fold)
        own = replace(fold, refit_at_us=fitted_at, test_rows=rows)
        return self.estimator.absences(panel, own)


def _newest_instant(panel: Panel, fold: Fold) -> int:
    """Microseconds UTC at which the newest training row was decided."""
    return int(panel.decision_at_R.cpu().numpy()[fold.train_rows].max())


def _extend(
    history: Mapping[str, int], panel: Panel, fitted_at: int, refit_at: int
) -> dict[str, int]:
    """What an anchor reads at the refit: the whole record, where it did so at its own fit."""
    before, now = count_rows(panel, fitted_at), count_rows(panel, refit_at)
    return {name: now[name] if read >= before[name] else read for name, read in history.items()}
