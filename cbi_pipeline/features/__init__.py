"""Features as known at each decision instant, their targets, and the panel made of both.

FEATURE_SETS     feature sets by name; ``core-1`` is the one in use
build_rows       rows of ``features.row`` that are due and not built yet
build_targets    rows of ``features.target`` that became public
panel            both as the tensors a model trains on
panel_as_told    the same rows with their targets as told at an earlier instant
panel_frame      rows as one flat table, for export and serving
panel_from_frame the flat table as a panel again
stretches        the versions of a series as the public knew them at any instant
"""

from cbi_pipeline.features.core_1 import CORE_1, FEATURE_SETS
from cbi_pipeline.features.export import panel_frame, panel_from_frame, panel_spec
from cbi_pipeline.features.feature_set import Driver, Feature, FeatureSet
from cbi_pipeline.features.known import Stretch, Versions, stretches
from cbi_pipeline.features.rows import build_rows
from cbi_pipeline.features.targets import build_targets
from cbi_pipeline.features.training_panel import known_targets, panel, panel_as_told

__all__ = [
    "CORE_1",
    "FEATURE_SETS",
    "Driver",
    "Feature",
    "FeatureSet",
    "Stretch",
    "Versions",
    "build_rows",
    "build_targets",
    "known_targets",
    "panel",
    "panel_as_told",
    "panel_frame",
    "panel_from_frame",
    "panel_spec",
    "stretches",
]
