"""What the market said of each row's session, as known when the row was decided on."""

from __future__ import annotations

import polars as pl

from cbi_pipeline.features import transforms as t
from cbi_pipeline.features.as_of_series import Floats, Ints, VintageSeries, read
from cbi_pipeline.features.origins import price_versions


def with_returns(rows: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """The rows with ``log_return``, from the session before, and ``realised_variance``.

    Both are of the newest versions public at the row's decision instant, and the session before is
    the last one before it that had a price then. What is corrected, withdrawn or turns up
    afterwards changes nothing of a row decided on before.

    Args:
        rows: commodity, session, decision_at and whatever else, in any order.
        prices: ``market.session``, all versions.

    Returns:
        The rows, those of one commodity together. The return is null where one of the two prices is
        at or below zero, and on the first session; the variance where no bars exist.
    """
    nothing = (pl.lit(None, pl.Float64).alias(name) for name in ("log_return", "realised_variance"))
    parts = [
        part.with_columns(_returns(part, prices, str(name)), _variances(part, prices, str(name)))
        for (name,), part in rows.partition_by("commodity", as_dict=True).items()
    ]
    return pl.concat(parts) if parts else rows.with_columns(nothing)


def _returns(rows: pl.DataFrame, prices: pl.DataFrame, commodity: str) -> pl.Series:
    versions = price_versions(prices, commodity)
    reading = read(versions, _into_each_session, 1, *_list_instants(rows))
    return pl.Series("log_return", reading.values[:, 0], nan_to_null=True)


def _variances(rows: pl.DataFrame, prices: pl.DataFrame, commodity: str) -> pl.Series:
    versions = VintageSeries.from_frame(
        prices.filter(pl.col("commodity") == commodity),
        period=pl.col("session").to_physical(),
        value=pl.col("realised_variance"),
    )
    reading = read(versions, _as_it_is, 1, *_list_instants(rows))
    return pl.Series("realised_variance", reading.values[:, 0], nan_to_null=True)


def _list_instants(rows: pl.DataFrame) -> tuple[Ints, Ints]:
    """Instants and sessions of the rows."""
    return (
        rows.get_column("decision_at").dt.epoch("us").to_numpy(),
        rows.get_column("session").to_physical().cast(pl.Int64).to_numpy(),
    )


def _into_each_session(_: Ints, price: Floats) -> Floats:
    return t.change(t.log(price), 1)[:, None]


def _as_it_is(_: Ints, value: Floats) -> Floats:
    return value[:, None]
