"""One kind of model: fitted on rows of a panel, it predicts quantiles of others.

A model reads nothing but the panel. Suffixes: N rows asked for, H horizons, Q quantile levels.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cbi_pipeline.forecasting.models.recipe import ModelRecipe
from cbi_pipeline.forecasting.panel import Panel, PanelSpec

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class Forecasts(NamedTuple):
    """Forecasts in log returns from origin to target, one line per row asked for.

    Attributes:
        q_NHQ: quantiles, non-decreasing along Q, at the recipe's levels.
        up_NH: probability that the return is positive.
        vol_NH: standard deviation of the return.
    """

    q_NHQ: Floats
    up_NH: Floats
    vol_NH: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Absence:
    """Origins of one commodity that a model has too little history to forecast.

    Attributes:
        commodity: its id.
        rows: the origins, rows of the panel.
        reason: what was there and what it needs, in words.
    """

    commodity: str
    rows: Rows
    reason: str


class Model(ABC):
    """What was fitted.

    Attributes:
        recipe: what decided it, apart from the data.
        spec: axes of the panels it reads.
        libraries: what must be installed to predict, besides torch, numpy and safetensors.
    """

    recipe: ModelRecipe
    spec: PanelSpec
    libraries: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def history(self) -> Mapping[str, int]:
        """By commodity, the newest rows that a forecast from its newest origin reads."""

    @property
    def is_joint(self) -> bool:
        """Whether a commodity's forecast reads rows of the others."""
        return False

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return torch.device("cpu")

    def absences(self, panel: Panel, rows_N: Rows) -> Sequence[Absence]:
        """Rows that it cannot forecast, by commodity, each with the reason."""
        return ()

    @abstractmethod
    def predict(self, panel: Panel, rows_N: Rows) -> Forecasts:
        """Forecasts from the given origin rows.

        Raises:
            ValueError: the panel's axes differ from the model's, or a row cannot be an origin.
        """

    @abstractmethod
    def save(self, folder: Path, *, commit: str | None = None) -> None:
        """Write plain files that `load_model` reads.

        Args:
            folder: where to.
            commit: git commit of the code that writes, where that is known.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """The sha256 of all that it says by: equal for equal models."""

    def check_axes(self, spec: PanelSpec) -> None:
        """Refuse a panel that it was not made for.

        Raises:
            ValueError: names the axis.
        """
        for name, mine in vars(self.spec).items():
            theirs = getattr(spec, name)
            if theirs != mine:
                raise ValueError(
                    f"panel.spec.{name} is {theirs}, the model was made for {mine}; "
                    "build the panel with the model's feature set, or retrain"
                )


def by_commodity(panel: Panel, rows: Rows) -> dict[str, Rows]:
    """Rows of a panel by the commodity they belong to."""
    commodity = panel.commodity_R.cpu().numpy()[rows]
    return {panel.spec.commodities[c]: rows[commodity == c] for c in np.unique(commodity)}


def count_rows(panel: Panel, until_us: int) -> dict[str, int]:
    """Each commodity's rows up to its newest ready one decided by an instant (microseconds UTC)."""
    decided = (panel.decision_at_R <= until_us) & panel.ready_R
    newest = by_commodity(panel, decided.nonzero().flatten().cpu().numpy())
    first = dict(zip(panel.spec.commodities, panel.first_row_C().tolist(), strict=True))
    counts = {name: int(rows.max()) + 1 - first[name] for name, rows in newest.items()}
    return {name: counts.get(name, 0) for name in panel.spec.commodities}


def steps_of(panel: Panel, rows: Rows) -> Floats:
    """float64 [N, H], sessions ahead at each horizon of each row's commodity."""
    steps = np.array(panel.spec.steps, dtype=np.float64)
    own: Floats = steps[panel.commodity_R.cpu().numpy()[rows]]
    return own
