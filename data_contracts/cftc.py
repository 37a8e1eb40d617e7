"""Commitments of Traders reports of the CFTC, futures only."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from operator import add

import polars as pl

from data_contracts.cftc_release import cftc_weekly
from data_contracts.family import Family
from data_contracts.shape import Shape
from data_contracts.split import RowRule

#: Of each report: the columns whose sum is the open interest, on the long and on the short side.
SIDES: dict[str, dict[str, tuple[str, ...]]] = {
    "legacy": {
        "long": (
            "noncomm_positions_long_all",
            "noncomm_postions_spread_all",
            "comm_positions_long_all",
            "nonrept_positions_long_all",
        ),
        "short": (
            "noncomm_positions_short_all",
            "noncomm_postions_spread_all",
            "comm_positions_short_all",
            "nonrept_positions_short_all",
        ),
    },
    "disaggregated": {
        "long": (
            "prod_merc_positions_long",
            "swap_positions_long_all",
            "swap__positions_spread_all",
            "m_money_positions_long_all",
            "m_money_positions_spread",
            "other_rept_positions_long",
            "other_rept_positions_spread",
            "nonrept_positions_long_all",
        ),
        "short": (
            "prod_merc_positions_short",
            "swap__positions_short_all",
            "swap__positions_spread_all",
            "m_money_positions_short_all",
            "m_money_positions_spread",
            "other_rept_positions_short",
            "other_rept_positions_spread",
            "nonrept_positions_short_all",
        ),
    },
    "financial": {
        "long": (
            "dealer_positions_long_all",
            "dealer_positions_spread_all",
            "asset_mgr_positions_long",
            "asset_mgr_positions_spread",
            "lev_money_positions_long",
            "lev_money_positions_spread",
            "other_rept_positions_long",
            "other_rept_positions_spread",
            "nonrept_positions_long_all",
        ),
        "short": (
            "dealer_positions_short_all",
            "dealer_positions_spread_all",
            "asset_mgr_positions_short",
            "asset_mgr_positions_spread",
            "lev_money_positions_short",
            "lev_money_positions_spread",
            "other_rept_positions_short",
            "other_rept_positions_spread",
            "nonrept_positions_short_all",
        ),
    },
}
OPEN_INTEREST = "open_interest_all"

#: A series id is CFTC.<report>.<contract code>.<column>; these are its two halves.
_MARKET = pl.col("series_id").str.extract(r"^(CFTC\.[a-z]+\.[^.]+)\.")
_COLUMN = pl.col("series_id").str.extract(r"([^.]+)$")
_REPORT = [_MARKET, pl.col("period")]
#: Holidays move a report's date by a day, so weeks are 6 to 8 days long.
_SHORTEST_WEEK, _LONGEST_WEEK = 6, 8


def measures(report: str) -> tuple[str, ...]:
    """Columns followed of a report, open interest first."""
    sides = SIDES[report]
    return (OPEN_INTEREST, *dict.fromkeys((*sides["long"], *sides["short"])))


def _count(column: str) -> pl.Expr:
    return pl.col("value").filter(_COLUMN.eq(column)).first().over(_REPORT)


def _identity(report: str, side: str) -> RowRule:
    total = reduce(add, [_count(column) for column in SIDES[report][side]])
    return RowRule(f"open_interest_identity_{side}", "value", total == _count(OPEN_INTEREST))


def _spacing() -> RowRule:
    # Two reports of one market within a week cannot both be right, nor can it be told which is.
    days = pl.col("period").diff().dt.total_days()
    before = days.over("series_id", order_by="period")
    after = days.shift(-1).over("series_id", order_by="period")
    crowded = before.is_between(1, _SHORTEST_WEEK - 1) | after.is_between(1, _SHORTEST_WEEK - 1)
    return RowRule("report_spacing", "period", ~crowded.fill_null(value=False))


def _family(report: str, title: str) -> Family:
    return Family(
        name=f"cftc_{report}",
        title=f"Commitments of Traders, {title}, futures only",
        agency="U.S. Commodity Futures Trading Commission",
        frequency="weekly",
        weekdays=(1, 2),
        bounds={"contracts": (0.0, 100_000_000.0)},
        release=cftc_weekly,
        staleness=timedelta(days=21),
        # Seen on a Friday at 15:30 in Washington, to the minute of the agency's rule.
        stamped=True,
        revisions="corrected reports replace a week's values now and then",
        rights="public-domain",
        # Holidays move a report by a day; no week is missing from 2009 to 2026.
        shape=Shape(ascending=True, spacing=(_SHORTEST_WEEK, _LONGEST_WEEK)),
        version="1.1.0",
        extra=(_identity(report, "long"), _identity(report, "short"), _spacing()),
    )


CFTC_LEGACY = _family("legacy", "legacy")
CFTC_DISAGGREGATED = _family("disaggregated", "disaggregated")
CFTC_FINANCIAL = _family("financial", "traders in financial futures")
