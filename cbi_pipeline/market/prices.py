"""A commodity on its own sessions, every version of it."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from cbi_pipeline.catalogue import Commodity
from data_contracts.market import SESSION

_NOT_SPOT = ("open", "high", "low", "volume", "open_interest", "realised_variance", "roll_gap")


def build_sessions(observations: pl.DataFrame, commodity: Commodity) -> pl.DataFrame:
    """Rows of ``market.session`` for a spot commodity.

    A session begins to exist with its first value. What the publisher says later about it, a
    correction or a withdrawal (price null), is a further version. Prices are taken as they are:
    a spot price needs no adjustment and is never rolled, and it has no other part.

    Args:
        observations: every version of the commodity's price series (``raw.observation``); rows of
            other series are ignored.
        commodity: whose price it is.
    """
    valued = pl.col("status") == "value"
    return (
        observations.filter(pl.col("series_id") == commodity.price_series)
        .sort("period", "version")
        .filter(valued.cum_sum().over("period") > 0)
        .select(
            commodity=pl.lit(commodity.id),
            session="period",
            version=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("period"),
            price=pl.when(valued).then("value"),
            held_instrument="series_id",
            roll=pl.lit(False),
            available_at="available_at",
            available_basis="available_basis",
            **{name: pl.lit(None, SESSION.dtypes[name]) for name in _NOT_SPOT},
        )
        .select(list(SESSION.dtypes))
    )


def latest_prices(prices: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """One row per commodity and session: the newest version public at ``as_of``.

    Sessions whose newest version is a withdrawal are left out.

    Args:
        prices: rows of ``market.session``.
        as_of: aware instant.
    """
    return (
        prices.filter(pl.col("available_at") <= as_of)
        .sort("commodity", "session", "version")
        .group_by("commodity", "session", maintain_order=True)
        .last()
        .filter(pl.col("price").is_not_null())
        .select(prices.columns)
    )
