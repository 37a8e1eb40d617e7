"""Which sessions of a commodity get a row, and when each is decided on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.features.as_of_series import Ints, VintageSeries
from cbi_pipeline.market import decision_at


@dataclass(frozen=True, slots=True, eq=False)
class Origins:
    """Sessions of one commodity that are decided on.

    Attributes:
        commodity: the commodity.
        session: int64 [n], days since 1970-01-01, ascending.
        decision: int64 [n], microseconds UTC, non-decreasing.
    """

    commodity: Commodity
    session: Ints
    decision: Ints

    @property
    def size(self) -> int:
        """Number of sessions."""
        return int(self.session.shape[0])


def origins(
    prices: pl.DataFrame, commodity: Commodity, as_of: datetime, *, at_sight: bool = False
) -> Origins:
    """Sessions decided at or before ``as_of``: at the first decision instant after their price.

    A session whose price became public after a later session was decided on is left out.

    Args:
        prices: rows of market.session, all versions.
        commodity: whose sessions.
        as_of: aware instant.
        at_sight: decide on a price that is known since we saw it when we see it, because no night
            follows: on closed records time stands still at the newest of what is held.
    """
    night = decision_at(pl.col("available_at"))
    seen = pl.lit(at_sight) & (pl.col("available_basis") == "first_seen")
    decided = (
        prices.filter(pl.col("commodity") == commodity.id, pl.col("price").is_not_null())
        .group_by("session")
        .agg(
            pl.when(seen)
            .then("available_at")
            .otherwise(night)
            .sort_by("available_at")
            .first()
            .alias("decision_at")
        )
        .filter(pl.col("decision_at") <= as_of)
        .sort("session")
        .filter(pl.col("decision_at") <= pl.col("decision_at").cum_min(reverse=True))
    )
    return Origins(
        commodity=commodity,
        session=decided.get_column("session").to_physical().cast(pl.Int64).to_numpy(),
        decision=decided.get_column("decision_at").dt.epoch("us").to_numpy(),
    )


def origins_of(rows: pl.DataFrame, commodity: Commodity) -> Origins:
    """The sessions that have a row, as they were decided on.

    Args:
        rows: session and decision_at of one commodity, by session.
        commodity: whose.
    """
    return Origins(
        commodity=commodity,
        session=rows.get_column("session").to_physical().cast(pl.Int64).to_numpy(),
        decision=rows.get_column("decision_at").dt.epoch("us").to_numpy(),
    )


def price_versions(prices: pl.DataFrame, commodity: str) -> VintageSeries:
    """The versions of a commodity's price."""
    return VintageSeries.from_frame(
        prices.filter(pl.col("commodity") == commodity),
        period=pl.col("session").to_physical(),
        value=pl.col("price"),
    )


def keep_order(rows: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Rows of one commodity that ``stored`` lacks and that fit between the rows it has.

    Rows are never rebuilt, so one that would be decided before an earlier session, or after a
    later one, can no longer be added.
    """
    at = pl.col("decision_at")
    return (
        rows.join(
            stored.select("session", built_at="decision_at"),
            on="session",
            how="full",
            coalesce=True,
        )
        .sort("session")
        .with_columns(
            floor=pl.col("built_at").cum_max().forward_fill(),
            ceiling=pl.col("built_at").cum_min(reverse=True).backward_fill(),
        )
        .filter(pl.col("built_at").is_null())
        .filter((at >= pl.col("floor")) | pl.col("floor").is_null())
        .filter((at <= pl.col("ceiling")) | pl.col("ceiling").is_null())
        .select(rows.columns)
    )
