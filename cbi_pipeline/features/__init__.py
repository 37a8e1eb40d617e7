"""Features as known at each decision instant, their targets, and the panel made of both.

feature_set      the groups that a catalogue reads, and what their rows mean
named_groups     the groups that the name of such a set lists
find_groups      every group by name
series_read      every series that a catalogue reads
build_rows       rows of a commodity that are due and not built yet, in the table of each group
read_generations which rows are in use, and what changes that
renew            which rows stay in use once some were built anew, and what arrived late
read_rows        the rows in use, all groups side by side by column name
build_targets    rows of ``features.target`` that became public
panel            rows and targets as the tensors a model trains on
with_targets_as_of    the same rows with their targets as told at an earlier instant
panel_frame      rows as one flat table, for export and serving
panel_from_frame the flat table as a panel again
why_unread       whether a model can read today's rows of a commodity
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cbi_pipeline.features.export import panel_frame, panel_from_frame, panel_spec
    from cbi_pipeline.features.feature_sets import (
        FeatureSet,
        feature_set,
        named_groups,
        series_read,
    )
    from cbi_pipeline.features.generations import Generation, Generations, read_generations
    from cbi_pipeline.features.groups import find_groups
    from cbi_pipeline.features.reader import Market
    from cbi_pipeline.features.reading import why_unread
    from cbi_pipeline.features.rows import build_rows
    from cbi_pipeline.features.tables import (
        VIEW,
        Rows,
        contract_of,
        read_origins,
        read_rows,
        read_stored,
        side_by_side,
        view_columns,
        view_select,
    )
    from cbi_pipeline.features.targets import build_targets
    from cbi_pipeline.features.training_panel import panel, with_targets_as_of
    from cbi_pipeline.features.verification import renew

__all__ = [
    "VIEW",
    "FeatureSet",
    "Generation",
    "Generations",
    "Market",
    "Rows",
    "build_rows",
    "build_targets",
    "contract_of",
    "feature_set",
    "find_groups",
    "named_groups",
    "panel",
    "panel_frame",
    "panel_from_frame",
    "panel_spec",
    "read_generations",
    "read_origins",
    "read_rows",
    "read_stored",
    "renew",
    "series_read",
    "side_by_side",
    "view_columns",
    "view_select",
    "why_unread",
    "with_targets_as_of",
]

_MODULES = {
    "export": ("panel_frame", "panel_from_frame", "panel_spec"),
    "feature_sets": ("FeatureSet", "feature_set", "named_groups", "series_read"),
    "generations": ("Generation", "Generations", "read_generations"),
    "groups": ("find_groups",),
    "reader": ("Market",),
    "reading": ("why_unread",),
    "rows": ("build_rows",),
    "tables": (
        "VIEW",
        "Rows",
        "contract_of",
        "read_origins",
        "read_rows",
        "read_stored",
        "side_by_side",
        "view_columns",
        "view_select",
    ),
    "targets": ("build_targets",),
    "training_panel": ("panel", "with_targets_as_of"),
    "verification": ("renew",),
}


def __getattr__(name: str) -> object:
    # A catalogue is checked against the groups before anything runs, and must not wait for torch.
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
