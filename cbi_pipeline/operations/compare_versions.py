"""Tonight's version of a recipe against the one in use, on rows that both can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cbi_pipeline.operations.champion_forecast import why_not_read
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.train import newest_fold
from cbi_pipeline.operations.training_data import TrainingData, narrow

if TYPE_CHECKING:
    from cbi_pipeline.evaluation import Refresh
    from cbi_pipeline.forecasting import Forecasts, Model, ModelRecipe, Panel


@dataclass(frozen=True)
class EarlierVersion:
    """A version that reads its own commodities and columns out of today's panel.

    Attributes:
        model: the version.
        panel: today's rows as it reads them.
        row_R: int64, row of today's panel to its own; -1 where it has none.
    """

    model: Model
    panel: Panel
    row_R: NDArray[np.int64]

    @property
    def recipe(self) -> ModelRecipe:
        """Its recipe."""
        return self.model.recipe

    def predict(self, panel: Panel, rows: NDArray[np.int64]) -> Forecasts:
        """Its forecasts of rows of today's panel."""
        return self.model.predict(self.panel, self.row_R[rows])


def judge_on_common_rows(
    tonight: Model, before: Model, data: TrainingData, pipeline: Pipeline
) -> Refresh | str:
    """Both on held-out rows of the commodities that both read; or why they cannot be compared."""
    from cbi_pipeline.evaluation import judge_refresh

    own = narrow(data, tonight.spec.feature_set, pipeline)
    rows = newest_fold(own).validation_rows
    if tonight.spec == before.spec:
        return judge_refresh(tonight, before, own.panel, rows)
    names = [
        name
        for name in tonight.spec.commodities
        if why_not_read(before.spec, name, data, pipeline) is None
    ]
    if not names:
        return "The standing one cannot read today's panel."
    earlier = _earlier_version(before, own, data)
    is_read = own.origins(rows.tolist())["commodity"].is_in(names).to_numpy()
    common = rows[is_read & (earlier.row_R[rows] >= 0)]
    if not own.panel.target_mask_RH[common].any():
        return "Nothing that both read has a known outcome."
    return judge_refresh(tonight, earlier, own.panel, common)


def _earlier_version(before: Model, tonight: TrainingData, data: TrainingData) -> EarlierVersion:
    from cbi_pipeline.features import panel_frame, panel_from_frame

    frame = panel_frame(data.rows, data.prices, before.spec, data.as_of)
    keys = ["commodity", "session"]
    own = frame.select(keys).with_row_index("place")
    today = tonight.origins(list(range(tonight.panel.rows)))
    places = today.join(own, on=keys, how="left", maintain_order="left")["place"]
    return EarlierVersion(
        before,
        panel_from_frame(frame, before.spec),
        places.cast(pl.Int64).fill_null(-1).to_numpy(),
    )
