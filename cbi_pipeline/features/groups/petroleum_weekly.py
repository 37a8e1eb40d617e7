"""Weekly petroleum data: stocks, refining, output, trade and demand."""

from __future__ import annotations

from cbi_pipeline.features.expressions import Expression
from cbi_pipeline.features.group import Column, Group, Series
from cbi_pipeline.features.weekly import FROM_USUAL, change, season


def _weekly(name: str, words: str) -> Expression:
    return Series(name, words, "week", "eia_wpsr").value


_STOCKS = _weekly("stocks", "stocks of crude and products")
_RUNS = _weekly("utilisation", "refinery utilisation")
_OUTPUT = _weekly("crude_output", "field production of crude")
_IMPORTS = _weekly("imports", "imports of crude and products")
_EXPORTS = _weekly("exports", "exports of crude and products")
_DEMAND = _weekly("demand", "product supplied")
_MADE = _weekly("gasoline_output", "production of finished gasoline")
_USED = _weekly("gasoline_demand", "finished gasoline supplied")

GROUP = Group(
    name="petroleum_weekly",
    words="Weekly petroleum supply of the United States",
    age="weekly",
    columns=(
        Column("stocks_change_1", "log", change(_STOCKS, 1), "change over a week"),
        Column("stocks_change_4", "log", change(_STOCKS, 4), "change over 4 weeks"),
        Column("stocks_season", "standard deviation", season(_STOCKS), FROM_USUAL),
        Column("utilisation_change_4", "log", change(_RUNS, 4), "change over 4 weeks"),
        Column("utilisation_season", "standard deviation", season(_RUNS), FROM_USUAL),
        Column("crude_output_change_4", "log", change(_OUTPUT, 4), "change over 4 weeks"),
        Column("crude_output_season", "standard deviation", season(_OUTPUT), FROM_USUAL),
        Column("imports_change_4", "log", change(_IMPORTS, 4), "change over 4 weeks"),
        Column("imports_season", "standard deviation", season(_IMPORTS), FROM_USUAL),
        Column("exports_change_4", "log", change(_EXPORTS, 4), "change over 4 weeks"),
        Column("exports_season", "standard deviation", season(_EXPORTS), FROM_USUAL),
        Column("demand_change_4", "log", change(_DEMAND, 4), "change over 4 weeks"),
        Column("demand_season", "standard deviation", season(_DEMAND), FROM_USUAL),
        Column("gasoline_output_change_4", "log", change(_MADE, 4), "change over 4 weeks"),
        Column("gasoline_output_season", "standard deviation", season(_MADE), FROM_USUAL),
        Column("gasoline_demand_change_4", "log", change(_USED, 4), "change over 4 weeks"),
        Column("gasoline_demand_season", "standard deviation", season(_USED), FROM_USUAL),
    ),
)
