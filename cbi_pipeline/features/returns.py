"""The one-session return of each row, as known when the row was decided on."""

from __future__ import annotations

import polars as pl

from cbi_pipeline.features import transforms as t
from cbi_pipeline.features.known import Floats, Ints, read
from cbi_pipeline.features.origins import price_versions


def with_returns(rows: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """The rows with ``log_return``: from the session before to the row's own.

    Both prices are the newest public at the row's decision instant, and the session before is the
    last one before it that had a price then. What is corrected, withdrawn or turns up afterwards
    changes no return of a row decided on before.

    Args:
        rows: commodity, session, decision_at and whatever else, in any order.
        prices: ``market.price``, all versions.

    Returns:
        The rows, those of one commodity together; null where one of the two prices is at or below
        zero, and on the first session.
    """
    parts = [
        part.with_columns(log_return=_returns(part, prices, str(commodity)))
        for (commodity,), part in rows.partition_by("commodity", as_dict=True).items()
    ]
    return pl.concat(parts) if parts else rows.with_columns(log_return=pl.lit(None, pl.Float64))


def _returns(rows: pl.DataFrame, prices: pl.DataFrame, commodity: str) -> pl.Series:
    reading = read(
        price_versions(prices, commodity),
        _into_each_session,
        1,
        rows.get_column("decision_at").dt.epoch("us").to_numpy(),
        rows.get_column("session").to_physical().cast(pl.Int64).to_numpy(),
    )
    return pl.Series("log_return", reading.values[:, 0], nan_to_null=True)


def _into_each_session(_: Ints, price: Floats) -> Floats:
    return t.change(t.log(price), 1)[:, None]
