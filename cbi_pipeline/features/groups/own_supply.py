"""Weekly petroleum stocks and demand of the commodity itself."""

from __future__ import annotations

from cbi_pipeline.features.group import Column, Group, Series
from cbi_pipeline.features.weekly import FROM_USUAL, change, season

_STOCKS = Series("stocks", "stocks of the commodity", "week", "eia_wpsr").value
_DEMAND = Series("demand", "product supplied of the commodity", "week", "eia_wpsr").value
_DEVIATION = "standard deviation"

GROUP = Group(
    name="own_supply",
    words="Weekly stocks and demand of the commodity in the United States",
    columns=(
        Column("own_stocks_change_1", "log", change(_STOCKS, 1), "change over a week"),
        Column("own_stocks_change_4", "log", change(_STOCKS, 4), "change over 4 weeks"),
        Column("own_stocks_season", _DEVIATION, season(_STOCKS), FROM_USUAL),
        Column("own_demand_change_4", "log", change(_DEMAND, 4), "change over 4 weeks"),
        Column("own_demand_season", _DEVIATION, season(_DEMAND), FROM_USUAL),
    ),
)
