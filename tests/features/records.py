"""The shipped records as observations, without a warehouse between."""

from datetime import UTC, date, datetime
from functools import lru_cache

import polars as pl

from cbi_pipeline.catalogue import Catalogue, load_catalogue
from cbi_pipeline.features import FeatureSet, Market, Rows, build_rows, side_by_side
from cbi_pipeline.features.feature_sets import CORE_1
from cbi_pipeline.feeds import archive
from cbi_pipeline.market import build_sessions
from data_contracts.observation import OBSERVATION

CATALOGUE = load_catalogue()


@lru_cache(maxsize=1)
def observations() -> pl.DataFrame:
    """Every version of every archived series; a restated but equal value is no new version."""
    files = archive.source().pulls((), {}, date.today())
    frames = [archive.parse(one.url, one.path.read_bytes()).frame for one in files]
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


def built(
    priced: pl.DataFrame,
    observed: pl.DataFrame,
    as_of: datetime,
    stored: Rows | None = None,
    *,
    catalogue: Catalogue = CATALOGUE,
    feature_set: FeatureSet = CORE_1,
    at_sight: bool = False,
) -> Rows:
    """The rows of every commodity that are not stored, all of one generation."""
    names = dict.fromkeys(["origin", *(group.name for group in feature_set.read)], "g")
    market = Market(priced, observed, catalogue)
    stored, fresh = stored or Rows.nothing(feature_set), Rows.nothing(feature_set)
    for one in catalogue.commodities:
        own = stored.of(one.id)
        fresh = fresh.and_also(build_rows(market, one, names, own, as_of, at_sight=at_sight))
    return fresh


def rows_of(
    priced: pl.DataFrame, observed: pl.DataFrame, as_of: datetime, **given: object
) -> pl.DataFrame:
    """The same with the groups side by side."""
    return side_by_side(built(priced, observed, as_of, **given))
