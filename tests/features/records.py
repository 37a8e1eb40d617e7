"""The shipped records as observations, without a warehouse between."""

from datetime import UTC, datetime
from functools import lru_cache

import polars as pl

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.feeds import archive
from cbi_pipeline.market import build_sessions
from data_contracts.observation import OBSERVATION

CATALOGUE = load_catalogue()


@lru_cache(maxsize=1)
def observations() -> pl.DataFrame:
    """Every version of every archived series; a restated but equal value is no new version."""
    feed = archive.feed()
    frames = [feed.parse(r.url, r.path.read_bytes()).frame for r in feed.requests()]
    parsed = pl.concat(frames).filter(
        pl.col("period").is_not_null(), pl.col("available_at").is_not_null()
    )
    return as_observations(parsed)


def as_observations(parsed: pl.DataFrame) -> pl.DataFrame:
    """Numbers the versions of (series_id, period, available_at, available_basis, value, status)."""
    same = (pl.col("value").eq_missing(pl.col("value").shift())) & (
        pl.col("status") == pl.col("status").shift()
    )
    key = ["series_id", "period"]
    return (
        parsed.sort(*key, "available_at", maintain_order=True)
        .filter(~same.over(key).fill_null(False))
        .with_columns(
            version=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(key),
            seen_at=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")),
            txn_id=pl.lit(1, dtype=pl.Int64),
            value_text=pl.col("value").cast(pl.String),
            response_id=pl.lit("r"),
            locator=pl.lit("l"),
        )
        .select(list(OBSERVATION.dtypes))
    )


def prices(observed: pl.DataFrame) -> pl.DataFrame:
    """Every commodity's price versions."""
    return pl.concat([build_sessions(observed, c) for c in CATALOGUE.commodities])
