"""Features as known at each decision instant, their targets, and the panel made of both.

FEATURE_SETS     feature sets by name; ``core-1`` is the one in use
build_rows       rows of ``features.row`` that are due and not built yet
build_targets    rows of ``features.target`` that became public
panel            both as the tensors a model trains on
panel_frame      rows as one flat table, for export and serving
panel_from_frame the flat table as a panel again
"""

from cbi_pipeline.features.core_1 import CORE_1, FEATURE_SETS
from cbi_pipeline.features.export import panel_frame, panel_from_frame, panel_spec
from cbi_pipeline.features.feature_set import Driver, Feature, FeatureSet
from cbi_pipeline.features.rows import build_rows
from cbi_pipeline.features.targets import build_targets
from cbi_pipeline.features.training_panel import known_targets, panel

__all__ = [
    "CORE_1",
    "FEATURE_SETS",
    "Driver",
    "Feature",
    "FeatureSet",
    "build_rows",
    "build_targets",
    "known_targets",
    "panel",
    "panel_frame",
    "panel_from_frame",
    "panel_spec",
]
