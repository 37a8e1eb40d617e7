"""What fits a model, in a walk-forward and for the registry alike."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.models.model import Absence, Forecasts, Model, by_commodity
from cbi_pipeline.forecasting.models.recipe import ModelRecipe
from cbi_pipeline.forecasting.panel import Panel

if TYPE_CHECKING:
    from cbi_pipeline.forecasting.records import EpochRecord


class Fitted(NamedTuple):
    """A model, and how it was learned.

    Attributes:
        model: what was fitted.
        curve: its learning curve; empty where nothing was learned step by step.
    """

    model: Model
    curve: "tuple[EpochRecord, ...]" = ()


@dataclass(frozen=True)
class Estimator(ABC):
    """A recipe, and how it becomes a model.

    The panel is all it reads: it is fitted on the rows decided by the fold's refit, and what comes
    of it forecasts a row from rows decided by that row's own instant.

    Attributes:
        recipe: what is fitted.
        recipe_type: class of its recipes.
        learns: whether it is fitted on the fold's training rows and their targets.
    """

    recipe: ModelRecipe
    recipe_type: ClassVar[type[ModelRecipe]]
    learns: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Name in the tables."""
        return self.recipe.name

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels, increasing."""
        return self.recipe.levels

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules that its code begins at."""
        return (type(self).__module__,)

    @property
    def epochs(self) -> int:
        """Epochs that a whole fit reports."""
        return 0

    def identity(self) -> str:
        """Hash of everything that decides the forecasts, apart from data and code."""
        return self.recipe.identity()

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Test rows that it has too little history for; nothing is fitted to tell."""
        return ()

    @abstractmethod
    def fit(
        self,
        panel: Panel,
        fold: Fold,
        *,
        checkpoints: Path | None = None,
        on_epoch: "Callable[[EpochRecord], None] | None" = None,
    ) -> Fitted:
        """The model of what was public at the fold's refit.

        Args:
            panel: rows, with the targets as told at the refit.
            fold: rows to fit on and to validate on.
            checkpoints: where a fit that was cut off goes on, and leaves its state.
            on_epoch: told after each epoch.
        """

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Forecasts of the test rows of a fold, by a model that is fitted on it.

        Args:
            panel: as for `fit`.
            fold: what to fit on and what to forecast.
            folder: where checkpoints and the model are kept; None keeps none.
        """
        checkpoints = folder / "checkpoint" if folder else None
        model = self.fit(panel, fold, checkpoints=checkpoints).model
        if folder:
            model.save(folder / "model")
        return model.predict(panel, fold.test_rows)


def sit_out(panel: Panel, fold: Fold, reason: str) -> Sequence[Absence]:
    """Every test row of a fold, for one reason."""
    return [
        Absence(commodity, rows, reason)
        for commodity, rows in by_commodity(panel, fold.test_rows).items()
    ]


def sit_out_untrained(panel: Panel, fold: Fold) -> Sequence[Absence]:
    """Every test row of a fold that has nothing to train on."""
    return sit_out(panel, fold, f"no row to train on was public at the refit of {fold.name}")
