"""A model fitted on the newest years alone, to show whether older data help."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted
from cbi_pipeline.forecasting.models.model import Absence
from cbi_pipeline.forecasting.panel import Panel

if TYPE_CHECKING:
    from cbi_pipeline.forecasting.records import EpochRecord

YEAR_US = round(365.25 * 86_400_000_000)


@dataclass(frozen=True)
class Rolling(Estimator):
    """What another estimator fits, on fewer of the training rows.

    Attributes:
        whole: the other estimator, of the same recipe.
        years: how many of the newest are kept.
    """

    whole: Estimator
    years: int

    @property
    def name(self) -> str:
        """Name in the tables."""
        return f"{self.recipe.name}_rolling"

    @property
    def modules(self) -> tuple[str, ...]:
        """Its own, and those of the other estimator."""
        return (*super().modules, *self.whole.modules)

    @property
    def epochs(self) -> int:
        """As of the other estimator."""
        return self.whole.epochs

    def identity(self) -> str:
        """Hash of the recipe's identity, its levels and the years."""
        text = f"{self.recipe.identity()} {self.years} years {self.levels}"
        return hashlib.sha256(text.encode()).hexdigest()

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Those of the other estimator on the fewer rows."""
        return self.whole.absences(panel, self._cut(panel, fold))

    def fit(
        self,
        panel: Panel,
        fold: Fold,
        *,
        checkpoints: Path | None = None,
        on_epoch: Callable[[EpochRecord], None] | None = None,
    ) -> Fitted:
        """What the other estimator makes of the newest years."""
        cut = self._cut(panel, fold)
        return self.whole.fit(panel, cut, checkpoints=checkpoints, on_epoch=on_epoch)

    def _cut(self, panel: Panel, fold: Fold) -> Fold:
        decision = panel.decision_at_R.cpu().numpy()[fold.train_rows]
        is_kept = decision > fold.refit_at_us - self.years * YEAR_US
        return replace(fold, train_rows=fold.train_rows[is_kept])
