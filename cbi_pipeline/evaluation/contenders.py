"""What a walk-forward asks of anything that forecasts, and how one says that it sits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cbi_pipeline.forecasting.folds import Fold
from cbi_pipeline.forecasting.forecaster import Forecasts
from cbi_pipeline.forecasting.panel import Panel

Floats = npt.NDArray[np.float64]
Levels = tuple[float, ...]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Absence:
    """Origins of one commodity that a contender has too little history to forecast.

    Attributes:
        commodity: its id.
        rows: the origins, rows of the panel.
        reason: what was there and what it needs, in words.
    """

    commodity: str
    rows: Rows
    reason: str


class Contender(Protocol):
    """Anything that forecasts the test rows of a fold from what was public.

    The panel is all it reads: it is fitted on the rows decided by the fold's refit, and forecasts a
    row from rows decided by that row's own instant.
    """

    @property
    def name(self) -> str:
        """Name in the tables."""
        ...

    @property
    def levels(self) -> Levels:
        """Quantile levels, increasing."""
        ...

    def identity(self) -> str:
        """Hash of everything that decides the forecasts, apart from the data."""
        ...

    def absences(self, panel: Panel, fold: Fold) -> Sequence[Absence]:
        """Test rows that it has too little history for; `forecast` is not asked for them."""
        return ()

    def forecast(self, panel: Panel, fold: Fold, folder: Path | None) -> Forecasts:
        """Forecasts of ``fold.test_rows``; ``folder`` may keep checkpoints and the model.

        Args:
            panel: rows, with the targets as told at the fold's refit.
            fold: what to train on and what to forecast.
            folder: where files may be kept; None keeps none.
        """
        ...


def by_commodity(panel: Panel, rows: Rows) -> dict[str, Rows]:
    """Rows of a panel by the commodity they belong to."""
    commodity = panel.commodity_R.cpu().numpy()[rows]
    return {panel.spec.commodities[c]: rows[commodity == c] for c in np.unique(commodity)}


def untrained(panel: Panel, fold: Fold) -> Sequence[Absence]:
    """Every test row of a fold that has nothing to train on."""
    return sit_out(panel, fold, f"no row to train on was public at the refit of {fold.name}")


def sit_out(panel: Panel, fold: Fold, reason: str) -> Sequence[Absence]:
    """Every test row of a fold, for one reason."""
    return [Absence(one, rows, reason) for one, rows in by_commodity(panel, fold.test_rows).items()]
