"""Forecasting: a device-resident panel, anchored networks, one training loop.

    panel = Panel.from_numpy(spec, ...)
    fold = make_final_fold(panel, as_of_us, embargo_days=7, validation_share=0.15)
    result = fit(Recipe("gru", "core-1"), panel, fold.train_rows, fold.validation_rows)
    forecasts = result.forecaster.predict(panel, fold.test_rows)

Needs torch, numpy and safetensors, nothing else.
"""

from cbi_pipeline.forecasting.calibration import Calibration, read_calibration
from cbi_pipeline.forecasting.config import compose
from cbi_pipeline.forecasting.devices import describe_device
from cbi_pipeline.forecasting.ensemble import Ensemble
from cbi_pipeline.forecasting.folds import make_final_fold, newest_origins
from cbi_pipeline.forecasting.forecaster import Forecaster
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted
from cbi_pipeline.forecasting.models.model import Forecasts, Model
from cbi_pipeline.forecasting.models.recipe import DEFAULT_LEVELS, ModelRecipe
from cbi_pipeline.forecasting.models.saved import load_model
from cbi_pipeline.forecasting.networks.network import Network
from cbi_pipeline.forecasting.panel import Panel, PanelSpec
from cbi_pipeline.forecasting.recipe import Recipe, TrainingConfig
from cbi_pipeline.forecasting.records import EpochRecord
from cbi_pipeline.forecasting.stopping import TrainingFailed
from cbi_pipeline.forecasting.train import build_untrained, fit
from cbi_pipeline.forecasting.version import product

__all__ = [
    "DEFAULT_LEVELS",
    "Calibration",
    "Ensemble",
    "EpochRecord",
    "Estimator",
    "Fitted",
    "Forecaster",
    "Forecasts",
    "Model",
    "ModelRecipe",
    "Network",
    "Panel",
    "PanelSpec",
    "Recipe",
    "TrainingConfig",
    "TrainingFailed",
    "build_untrained",
    "compose",
    "describe_device",
    "fit",
    "load_model",
    "make_final_fold",
    "newest_origins",
    "product",
    "read_calibration",
]
