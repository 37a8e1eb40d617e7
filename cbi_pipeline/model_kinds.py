"""Kinds of models that a recipe can be of, and where each lives: plain names, nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelKind:
    """Where a kind of model lives.

    Attributes:
        estimator: what fits it, as ``module:Class``.
        reads_features: whether its recipes name feature groups.
        library: what must be installed for it besides the project's own requirements.
        extra: extra of the project that brings the library.
        names_members: whether its recipes name other recipes with their weights.
        names_anchor: whether its recipes may name another recipe that they adjust.
    """

    estimator: str
    reads_features: bool = False
    library: str = ""
    extra: str = ""
    names_members: bool = False
    names_anchor: bool = False


_FORECASTING, _EVALUATION = "cbi_pipeline.forecasting.models", "cbi_pipeline.evaluation.models"

#: By the ``kind`` of a recipe file. What fits a model with numpy alone stands beside the model.
MODEL_KINDS: Mapping[str, ModelKind] = {
    "network": ModelKind(
        f"{_EVALUATION}.network:NetworkEstimator", reads_features=True, names_anchor=True
    ),
    "climatology": ModelKind(f"{_FORECASTING}.climatology:Climatology"),
    "ewma": ModelKind(f"{_EVALUATION}.ewma:Ewma"),
    "prior": ModelKind(f"{_FORECASTING}.prior:Prior"),
    "garch": ModelKind(f"{_EVALUATION}.garch:Garch"),
    "har": ModelKind(f"{_FORECASTING}.har:Har"),
    "combined": ModelKind(f"{_EVALUATION}.combined:Combined", names_members=True),
    "boosted": ModelKind(f"{_EVALUATION}.boosted:Boosted", True, "lightgbm", "boost"),
}
