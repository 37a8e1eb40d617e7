"""Fitting a network: its anchor first, then the training loop on a fold's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from cbi_pipeline.evaluation.anchors import AnchorFit
from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted, sit_out, sit_out_untrained
from cbi_pipeline.forecasting.models.model import Absence
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.recipe import Recipe
from cbi_pipeline.forecasting.records import EpochRecord
from cbi_pipeline.forecasting.scaler import constant_features
from cbi_pipeline.forecasting.train import fit


@dataclass(frozen=True)
class NetworkEstimator(Estimator):
    """A network, trained anew for each fold."""

    recipe: Recipe
    recipe_type = Recipe
    learns = True

    @property
    def modules(self) -> tuple[str, ...]:
        """Its own, the encoder's, which the network finds by its kind, and the anchor's."""
        anchor = self._anchor.estimator.modules if self._anchor else ()
        return (*super().modules, type(self.recipe.network).__module__, *anchor)

    @property
    def epochs(self) -> int:
        """Epochs of a whole training: the untrained state counts as one."""
        epochs = self.recipe.training.max_epochs
        return epochs + 1 if epochs else 0

    @property
    def _anchor(self) -> AnchorFit | None:
        recipe = self.recipe.anchor_recipe
        return AnchorFit.of(recipe) if recipe else None

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Every row of a fold with nothing to train on, or with a column that never varied.

        Of others those that the anchor cannot forecast.
        """
        if not fold.train_rows.size:
            return sit_out_untrained(panel, fold)
        rows = torch.from_numpy(fold.train_rows).to(panel.values_RF.device)
        constant = constant_features(panel, rows)
        if constant:
            names = ", ".join(constant)
            reason = f"{names} never varied in the rows known at the refit of {fold.name}"
            return sit_out(panel, fold, reason)
        if self._anchor is None:
            return ()
        if reason := self._anchor.why_untrained(panel, fold):
            return sit_out(panel, fold, reason)
        return self._anchor.absences(panel, fold)

    def fit(
        self,
        panel: Panel,
        fold: Fold,
        *,
        checkpoints: Path | None = None,
        on_epoch: Callable[[EpochRecord], None] | None = None,
    ) -> Fitted:
        """The network of the best epoch over the fold's anchor, and its learning curve."""
        result = fit(
            self.recipe,
            panel,
            fold.train_rows,
            fold.validation_rows,
            anchor=self._anchor.fit(panel, fold) if self._anchor else None,
            checkpoint_dir=checkpoints,
            on_epoch=on_epoch,
        )
        return Fitted(result.forecaster, result.curve)
