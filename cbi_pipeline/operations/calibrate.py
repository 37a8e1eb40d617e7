"""How a recipe's forecasts are calibrated by what is public."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import TrainingData
from cbi_pipeline.operations.walk_forward_store import load_evidence

if TYPE_CHECKING:
    from cbi_pipeline.forecasting import Calibration


def fit_recipe_calibration(recipe: str, data: TrainingData, pipeline: Pipeline) -> Calibration:
    """The calibration of a recipe's forecasts made now, by its past ones that the gate saw last."""
    from cbi_pipeline.evaluation import fit_calibration

    with pipeline.warehouse.read() as store:
        past = load_evidence(store, recipe)
    return fit_calibration(past, data.targets, data.as_of)
