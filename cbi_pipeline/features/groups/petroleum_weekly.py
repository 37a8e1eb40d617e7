"""Weekly petroleum data: stocks, refining, output, trade and demand."""

from __future__ import annotations

from cbi_pipeline.features import expressions as e
from cbi_pipeline.features.expressions import Expression
from cbi_pipeline.features.group import Column, Group, Series


def _weekly(name: str, words: str) -> Series:
    return Series(name, words, "week", "eia_wpsr")


def _change(series: Series, weeks: int) -> Expression:
    return e.change(e.log(series.value), weeks)


def _season(series: Series) -> Expression:
    level = e.log(series.value)
    usual = e.seasonal_mean(level, 52, 5, 6)
    return e.ratio(e.minus(level, usual), e.moving_deviation(level, 260, 104))


_STOCKS = _weekly("stocks", "stocks of crude and products")
_RUNS = _weekly("utilisation", "refinery utilisation")
_OUTPUT = _weekly("crude_output", "field production of crude")
_IMPORTS = _weekly("imports", "imports of crude and products")
_EXPORTS = _weekly("exports", "exports of crude and products")
_DEMAND = _weekly("demand", "product supplied")
_MADE = _weekly("gasoline_output", "production of finished gasoline")
_USED = _weekly("gasoline_demand", "finished gasoline supplied")

_FROM_USUAL = "against the same weeks of five years"

GROUP = Group(
    name="petroleum_weekly",
    words="Weekly petroleum supply of the United States",
    age="weekly",
    columns=(
        Column("stocks_change_1", "log", _change(_STOCKS, 1), "change over a week"),
        Column("stocks_change_4", "log", _change(_STOCKS, 4), "change over 4 weeks"),
        Column("stocks_season", "standard deviation", _season(_STOCKS), _FROM_USUAL),
        Column("utilisation_change_4", "log", _change(_RUNS, 4), "change over 4 weeks"),
        Column("utilisation_season", "standard deviation", _season(_RUNS), _FROM_USUAL),
        Column("crude_output_change_4", "log", _change(_OUTPUT, 4), "change over 4 weeks"),
        Column("crude_output_season", "standard deviation", _season(_OUTPUT), _FROM_USUAL),
        Column("imports_change_4", "log", _change(_IMPORTS, 4), "change over 4 weeks"),
        Column("imports_season", "standard deviation", _season(_IMPORTS), _FROM_USUAL),
        Column("exports_change_4", "log", _change(_EXPORTS, 4), "change over 4 weeks"),
        Column("exports_season", "standard deviation", _season(_EXPORTS), _FROM_USUAL),
        Column("demand_change_4", "log", _change(_DEMAND, 4), "change over 4 weeks"),
        Column("demand_season", "standard deviation", _season(_DEMAND), _FROM_USUAL),
        Column("gasoline_output_change_4", "log", _change(_MADE, 4), "change over 4 weeks"),
        Column("gasoline_output_season", "standard deviation", _season(_MADE), _FROM_USUAL),
        Column("gasoline_demand_change_4", "log", _change(_USED, 4), "change over 4 weeks"),
        Column("gasoline_demand_season", "standard deviation", _season(_USED), _FROM_USUAL),
    ),
)
