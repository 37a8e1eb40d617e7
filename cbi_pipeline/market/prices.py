"""A commodity's price on its own sessions, every version of it."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from cbi_pipeline.catalogue import Commodity
from data_contracts.market import PRICE


def build_prices(observations: pl.DataFrame, commodity: Commodity) -> pl.DataFrame:
    """Rows of ``market.price`` for a spot commodity.

    A session begins to exist with its first value. What the publisher says later about it, a
    correction or a withdrawal (price null), is a further version. Prices are taken as they are:
    a spot price needs no adjustment and is never rolled.

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
            instrument="series_id",
            factor=pl.lit(1.0),
            roll=pl.lit(False),
            available_at="available_at",
            available_basis="available_basis",
        )
        .select(list(PRICE.dtypes))
    )


def latest_prices(prices: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """One row per commodity and session: the newest version public at ``as_of``.

    Sessions whose newest version is a withdrawal are left out.

    Args:
        prices: rows of ``market.price``.
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
