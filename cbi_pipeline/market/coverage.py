"""Holes in a price record: sessions the calendar expects against sessions that have a price."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.market.calendars import calendar, sessions
from data_contracts.table_rules import RuleOutcome

SHARE_LIMIT = 0.05
"""Share of a year's prices that may lie on days that the calendar does not expect; its sessions
without a price have that limit too, or the calendar's own where it does not know the holidays. The
worst years of the real records: Henry Hub lacks 4.4 % of 2005, when hurricanes shut the hub, Brent
3.6 % of 1997, WTI 1.6 % of 2004, retail gasoline nothing; of Henry Hub's prices 3.4 % of 2016 are
of holidays, of Brent's 2.7 % of 2004."""

FITS = 0.5
"""With more of the expected sessions absent, it is the calendar that is wrong, not the record."""

YEARS_JUDGED = 10
"""Years before the newest price that must be whole. Models read further back, but what an older
hole does to them has faded, and an origin without an outcome counts for nothing."""


def coverage(prices: pl.DataFrame, commodity: Commodity, years: int | None = None) -> pl.DataFrame:
    """Expected and present sessions by calendar year, from the first price to the last.

    Args:
        prices: one row per session, as ``latest_prices`` returns; other commodities are ignored.
        commodity: whose calendar is meant.
        years: look at that many years before the last price only.

    Returns:
        commodity, year, expected, present, missing, unexpected (counts of sessions),
        missing_share (missing / expected) and unexpected_share (unexpected / prices), one row per
        year.
    """
    own = prices.filter(pl.col("commodity") == commodity.id).get_column("session")
    have = set(own.to_list())
    if years is not None and have:
        since = max(have) - timedelta(days=365.25 * years)
        have = {day for day in have if day >= since}
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
    prices: pl.DataFrame, commodity: Commodity, years: int | None = None
) -> RuleOutcome:
    """Table rule: in no year may too large a share of the sessions and prices disagree.

    Every year is judged by the sessions that the calendar expects and the record lacks, and by the
    prices on days that the calendar does not expect. The first and the last year are judged with
    the sessions between the first and the last price, and only when they hold at least fifty.
    One session alone may lack its price in any year: of twelve months it is more than the share.
    """
    counted = coverage(prices, commodity, years)
    if counted.is_empty():
        return RuleOutcome("coverage", passed=False, detail=f"no price of {commodity.name} is held")
    enough = pl.min_horizontal(pl.lit(50), pl.col("expected").max())
    judged = counted.filter(pl.col("expected") >= enough)
    holes = _find_worst(judged, "missing_share")
    strays = _find_worst(judged, "unexpected_share")
    limit = calendar(commodity.calendar).may_lack
    if strays["unexpected_share"] > SHARE_LIMIT or holes["missing_share"] > FITS:
        return RuleOutcome("coverage", passed=False, detail=_misfit(commodity, holes, strays))
    detail = (
        f"{holes['missing_share']:.1%} of the sessions of {commodity.name} that its calendar "
        f"{commodity.calendar} expects in {holes['year']} have no price, the limit is {limit:.0%}"
    )
    passed = holes["missing_share"] <= limit or holes["missing"] == 1
    return RuleOutcome("coverage", passed=passed, detail=detail)


def _find_worst(years: pl.DataFrame, share: str) -> dict[str, Any]:
    return years.sort(share, "year", descending=[True, False]).row(0, named=True)


def _misfit(commodity: Commodity, holes: dict[str, Any], strays: dict[str, Any]) -> str:
    return (
        f"the calendar {commodity.calendar} does not fit the prices of {commodity.name}: "
        f"{holes['missing_share']:.1%} of the sessions that it expects in {holes['year']} have no "
        f"price, {strays['unexpected_share']:.1%} of the prices of {strays['year']} are of days "
        "that it does not expect"
    )


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
            unexpected_share=pl.col("unexpected") / (pl.col("present") + pl.col("unexpected")),
        )
        .select(
            "commodity",
            "year",
            "expected",
            "present",
            "missing",
            "unexpected",
            "missing_share",
            pl.col("unexpected_share").fill_nan(0.0),
        )
    )
