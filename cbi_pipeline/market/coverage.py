"""Holes in a price record: sessions the calendar expects against sessions that have a price."""

from __future__ import annotations

import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.market.calendars import sessions
from data_contracts.table_rules import RuleOutcome

MISSING_LIMIT = 0.03
"""Share of a year's expected sessions that may lack a price. WTI since 1986 lacks 1.6 % in its
worst year (2004: days beside holidays), retail gasoline nothing."""


def coverage(prices: pl.DataFrame, commodity: Commodity) -> pl.DataFrame:
    """Expected and present sessions by calendar year, from the first price to the last.

    Args:
        prices: one row per session, as ``latest_prices`` returns; other commodities are ignored.
        commodity: whose calendar is meant.

    Returns:
        commodity, year, expected, present, missing, unexpected (counts of sessions) and
        missing_share (missing / expected), one row per year.
    """
    own = prices.filter(pl.col("commodity") == commodity.id).get_column("session")
    have = set(own.to_list())
    due = set(sessions(commodity.calendar, min(have), max(have))) if have else set()
    days = sorted(have | due)
    marked = pl.DataFrame(
        {
            "day": pl.Series(days, dtype=pl.Date),
            "due": [day in due for day in days],
            "have": [day in have for day in days],
        },
        schema_overrides={"due": pl.Boolean, "have": pl.Boolean},
    )
    return _by_year(marked, commodity.id)


def coverage_rule(
    prices: pl.DataFrame, commodity: Commodity, limit: float = MISSING_LIMIT
) -> RuleOutcome:
    """Table rule: no whole year may lack more than ``limit`` of its expected sessions.

    The first and the last year are judged with the sessions between the first and the last price,
    and only when they hold at least fifty of them.
    """
    years = coverage(prices, commodity)
    if years.is_empty():
        return RuleOutcome("coverage", passed=False, detail=f"{commodity.id} has no price")
    enough = pl.min_horizontal(pl.lit(50), pl.col("expected").max())
    judged = years.filter(pl.col("expected") >= enough)
    worst = judged.sort("missing_share", "year", descending=[True, False]).row(0, named=True)
    detail = (
        f"{commodity.id}: {years.get_column('missing').sum()} of "
        f"{years.get_column('expected').sum()} expected sessions without a price; worst year "
        f"{worst['year']}, {worst['missing_share']:.1%} missing, limit {limit:.1%}"
    )
    return RuleOutcome("coverage", passed=worst["missing_share"] <= limit, detail=detail)


def _by_year(marked: pl.DataFrame, commodity: str) -> pl.DataFrame:
    due, have = pl.col("due"), pl.col("have")
    return (
        marked.group_by(year=pl.col("day").dt.year(), maintain_order=True)
        .agg(
            expected=due.sum(),
            present=(due & have).sum(),
            missing=(due & ~have).sum(),
            unexpected=(have & ~due).sum(),
        )
        .with_columns(
            pl.lit(commodity).alias("commodity"),
            missing_share=pl.when(pl.col("expected") > 0)
            .then(pl.col("missing") / pl.col("expected"))
            .otherwise(0.0),
        )
        .select(
            "commodity",
            "year",
            "expected",
            "present",
            "missing",
            "unexpected",
            "missing_share",
        )
    )
