"""Who holds the commodity's own futures contract, as shares of its open interest.

Positions are those of a Tuesday and known from the report's release on, usually on Friday at 15:30
Eastern.
"""

from __future__ import annotations

from cbi_pipeline.features import expressions as e
from cbi_pipeline.features.expressions import Expression
from cbi_pipeline.features.group import Column, Group, Report

_REPORT = Report(
    "contract", "disaggregated report of its futures contract", "week", "cftc_disaggregated"
)
_OPEN = e.label_formula("open interest", _REPORT.column("open_interest_all"))
_INTEREST = e.log(_OPEN)


def _net(holders: str, long: str, short: str) -> Expression:
    net = e.minus(_REPORT.column(long), _REPORT.column(short))
    return e.label_formula(f"net {holders}", e.ratio(net, _OPEN))


def _in_year(level: Expression) -> Expression:
    away = e.minus(level, e.moving_mean(level, 52, 26))
    return e.ratio(away, e.moving_deviation(level, 52, 26))


_MANAGED = _net("managed money", "m_money_positions_long_all", "m_money_positions_short_all")
_PRODUCERS = _net("producers", "prod_merc_positions_long", "prod_merc_positions_short")
_SWAPS = _net("swap dealers", "swap_positions_long_all", "swap__positions_short_all")
_SHARE, _DEVIATION = "share of open interest", "standard deviation"
_IN_WEEK, _IN_MONTH = "change over a week", "change over 4 weeks"
_OWN_YEAR = "against its own year"

GROUP = Group(
    name="positions",
    words="Positions of traders in the commodity's own futures contract",
    columns=(
        Column("managed_net", _SHARE, _MANAGED, "managed money, long less short"),
        Column("managed_change_1", _SHARE, e.change(_MANAGED, 1), _IN_WEEK),
        Column("managed_change_4", _SHARE, e.change(_MANAGED, 4), _IN_MONTH),
        Column("managed_year", _DEVIATION, _in_year(_MANAGED), _OWN_YEAR),
        Column("producers_net", _SHARE, _PRODUCERS, "producers and users, long less short"),
        Column("producers_change_4", _SHARE, e.change(_PRODUCERS, 4), _IN_MONTH),
        Column("producers_year", _DEVIATION, _in_year(_PRODUCERS), _OWN_YEAR),
        Column("swaps_net", _SHARE, _SWAPS, "swap dealers, long less short"),
        Column("swaps_change_4", _SHARE, e.change(_SWAPS, 4), _IN_MONTH),
        Column("swaps_year", _DEVIATION, _in_year(_SWAPS), _OWN_YEAR),
        Column("open_interest_change_4", "log", e.change(_INTEREST, 4), _IN_MONTH),
        Column("open_interest_year", _DEVIATION, _in_year(_INTEREST), _OWN_YEAR),
    ),
)
