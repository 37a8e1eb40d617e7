"""Which issued forecasts count: all that was said stays in the ledger, not all of it was news."""

from __future__ import annotations

import polars as pl

from cbi_pipeline.market import DECISION_ZONE

_MARKET = ["commodity", "horizon"]
_FORECAST = [*_MARKET, "as_of", "model_version"]


def desk_day(instant: pl.Expr) -> pl.Expr:
    """The day that an instant falls into at the desk."""
    return instant.dt.convert_time_zone(DECISION_ZONE).dt.date()


def select_counted(forecasts: pl.DataFrame) -> pl.DataFrame:
    """The rows that are forecasts of their own: every replay, and some of the live ones.

    Of several live forecasts of a market on one day of the desk the last counts, and of the days
    that start from one origin the first: later ones carry it on.

    Args:
        forecasts: rows of issued.forecast.
    """
    is_live = pl.col("track") == "live"
    live = forecasts.filter(is_live)
    issues = live.group_by(_FORECAST).agg(
        pl.col("sequence").max(), pl.col("origin_session").first()
    )
    last = (
        issues.with_columns(day=desk_day(pl.col("as_of")))
        .sort("as_of", "sequence")
        .unique([*_MARKET, "day"], keep="last", maintain_order=True)
    )
    own = last.unique([*_MARKET, "origin_session"], keep="first", maintain_order=True)
    return pl.concat([forecasts.filter(~is_live), live.join(own, on=_FORECAST, how="semi")])
