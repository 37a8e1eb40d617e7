"""Natural gas in underground storage: how full it is, and how fast it fills for the season."""

from __future__ import annotations

from cbi_pipeline.features.group import Column, Group, Series
from cbi_pipeline.features.weekly import FROM_USUAL, change, distance, season

_STORAGE = Series("storage", "working gas in storage", "week", "eia_gas_storage").value
_DEVIATION = "standard deviation"
_FLOW = distance(change(_STORAGE, 1))

GROUP = Group(
    name="gas_storage",
    words="Weekly natural gas in underground storage",
    columns=(
        Column("storage_change_1", "log", change(_STORAGE, 1), "change over a week"),
        Column("storage_change_4", "log", change(_STORAGE, 4), "change over 4 weeks"),
        Column("storage_season", _DEVIATION, season(_STORAGE), FROM_USUAL),
        Column("storage_flow_season", _DEVIATION, _FLOW, f"change over a week {FROM_USUAL}"),
    ),
)
