"""Feature rows: one commodity on one session as known at its decision instant, built once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.features.feature_set import FeatureSet
from cbi_pipeline.features.known import Bools, Floats, Ints, Versions, read
from cbi_pipeline.features.origins import Origins, keep_order, origins, price_versions
from cbi_pipeline.features.other_price import MARGIN, OTHER_PRICE, margin, other_price
from cbi_pipeline.features.own_price import OWN_NAMES, VARIANCE_NAMES, own_price
from cbi_pipeline.market import calendar
from data_contracts.families import family
from data_contracts.features import ROW

BOUND = 10.0
"""Values are kept within +-10: beyond that a z-score says "off the scale" and nothing more."""

MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Some columns of the rows of one commodity.

    Attributes:
        values: float64 [n, k], NaN or infinite where absent.
        assumed: bool [n], whether they rest on an assumed release time.
        group: release group of the series behind them; None when that has no age of its own.
        age: float64 [n], days since the newest value became public; NaN when there is none.
    """

    values: Floats
    assumed: Bools
    group: str | None
    age: Floats


def build_rows(
    prices: pl.DataFrame,
    observations: pl.DataFrame,
    catalogue: Catalogue,
    feature_set: FeatureSet,
    as_of: datetime,
    existing: pl.DataFrame | None = None,
    *,
    at_sight: bool = False,
) -> pl.DataFrame:
    """Rows of ``features.row`` decided at or before ``as_of`` that are not in ``existing``.

    A row for session s uses prices of sessions up to s and drivers, each in the newest version
    public at the row's decision instant; neither later news nor a later ``as_of`` changes it. A
    session gets no row when its price became public after a later session was decided on, or was
    withdrawn again before its own decision instant.

    Args:
        prices: every version of every commodity's price (``market.price``).
        observations: every version of the drivers (``raw.observation``); others are ignored.
        catalogue: commodities to build rows for.
        feature_set: columns to build.
        as_of: aware instant.
        existing: rows built before, any feature set.
        at_sight: as for :func:`origins`.
    """
    frames = []
    for commodity in catalogue.commodities:
        due = origins(prices, commodity, as_of, at_sight=at_sight)
        rows = _rows(due, prices, observations, catalogue, feature_set)
        frames.append(keep_order(rows, existing))
    return pl.concat([ROW.empty(), *frames])


def _rows(
    due: Origins,
    prices: pl.DataFrame,
    observations: pl.DataFrame,
    catalogue: Catalogue,
    feature_set: FeatureSet,
) -> pl.DataFrame:
    own, price, history = _own(due, prices)
    blocks = [
        own,
        *_other(due, price, own.assumed, prices, catalogue),
        *_drivers(due, observations, feature_set),
    ]
    columns = {
        **_values(blocks),
        "ages": _list_column("ages", _ages(blocks, feature_set.groups)),
        **_variances(due.commodity, history),
    }
    return (
        pl.DataFrame({"price": price, **columns})
        .with_columns(
            feature_set=pl.lit(feature_set.name),
            commodity=pl.lit(due.commodity.id),
            session=pl.Series(due.session.astype("datetime64[D]")),
            decision_at=pl.Series(due.decision).cast(pl.Datetime("us", "UTC")),
        )
        .filter(pl.col("price").is_not_nan())
        .select(list(ROW.dtypes))
    )


def _own(due: Origins, prices: pl.DataFrame) -> tuple[_Block, Floats, Floats]:
    """The own-price block, the price [n], and the variance columns [n, 3]."""
    width = len(OWN_NAMES) + len(VARIANCE_NAMES)
    reading = read(
        price_versions(prices, due.commodity),
        own_price(due.commodity.sessions_per_year),
        width,
        due.decision,
        due.session,
    )
    values, history = np.split(reading.values, [len(OWN_NAMES)], axis=1)
    age = _age(due.decision, reading.published, reading.found)
    return _Block(values, reading.assumed, "own", age), reading.raw, history


def _other(
    due: Origins, price: Floats, assumed: Bools, prices: pl.DataFrame, catalogue: Catalogue
) -> list[_Block]:
    """The other price and the margin over it; all absent in a catalogue of one commodity."""
    other = next((c for c in catalogue.commodities if c.id != due.commodity.id), None)
    if other is None:
        absent = np.full((due.size, len(OTHER_PRICE) + len(MARGIN)), np.nan)
        return [_Block(absent, assumed, None, np.full(due.size, np.nan))]
    reading = read(
        price_versions(prices, other),
        other_price(other.sessions_per_year),
        len(OTHER_PRICE),
        due.decision,
    )
    age = _age(due.decision, reading.published, reading.found)
    fresh = age <= other.stale_after_days
    level = np.where(fresh, reading.raw, np.nan)
    block = _Block(_where(fresh, reading.values), reading.assumed, "other", age)
    return [block, _margin(due, price, level, assumed | reading.assumed)]


def _margin(due: Origins, price: Floats, other: Floats, assumed: Bools) -> _Block:
    """The margin is a series of its own: one value per row, known from the row's decision on."""
    positive = (price > 0) & (other > 0)
    gap = np.log(np.where(positive, price, 1.0)) - np.log(np.where(positive, other, 1.0))
    versions = Versions(
        period=due.session[positive],
        available=due.decision[positive],
        value=gap[positive],
        assumed=assumed[positive],
    )
    transform = margin(calendar(due.commodity.calendar).ready_after)
    reading = read(versions, transform, len(MARGIN), due.decision, due.session)
    return _Block(reading.values, assumed, None, np.full(due.size, np.nan))


def _drivers(due: Origins, observations: pl.DataFrame, feature_set: FeatureSet) -> list[_Block]:
    wanted = observations.filter(pl.col("series_id").is_in(list(feature_set.series)))
    by_series = wanted.partition_by("series_id", as_dict=True)
    blocks = []
    for driver in feature_set.drivers:
        versions = Versions.from_frame(
            by_series.get((driver.series_id,), wanted.clear()),
            period=pl.col("period").to_physical(),
            value=pl.when(pl.col("status") == "value").then("value"),
        )
        reading = read(versions, driver.transform, len(driver.features), due.decision)
        age = _age(due.decision, reading.published, reading.found)
        fresh = age <= family(driver.family).staleness.total_seconds() / 86_400
        values = _where(fresh, reading.values)
        blocks.append(_Block(values, reading.assumed, driver.group, age))
    return blocks


def _values(blocks: list[_Block]) -> dict[str, pl.Series]:
    values = np.concatenate([block.values for block in blocks], axis=1)
    assumed = np.concatenate(
        [np.repeat(block.assumed[:, None], block.values.shape[1], axis=1) for block in blocks],
        axis=1,
    )
    present = np.isfinite(values)
    bounded = np.clip(np.where(present, values, 0.0), -BOUND, BOUND).astype(np.float32)
    return {
        "values": _list_column("values", bounded),
        "mask": _list_column("mask", present),
        "assumed": pl.Series((present & assumed).sum(1) / np.maximum(present.sum(1), 1)),
    }


def _ages(blocks: list[_Block], groups: tuple[str, ...]) -> Floats:
    """Float32 [n, G]: days since the newest value of each group became public, 0 when never."""
    ages = []
    for group in groups:
        youngest = np.full(blocks[0].age.shape, np.inf)
        for block in blocks:
            if block.group == group:
                youngest = np.fmin(youngest, block.age)
        ages.append(np.where(np.isfinite(youngest), youngest, 0.0))
    return np.column_stack(ages).astype(np.float32)


def _variances(commodity: Commodity, history: Floats) -> dict[str, pl.Series]:
    ewma, long_run, returns = history.T
    usable = np.isfinite(ewma) & np.isfinite(long_run)
    enough = returns >= calendar(commodity.calendar).ready_after
    return {
        "variance_ewma": pl.Series(np.where(usable, ewma, np.nan), nan_to_null=True),
        "variance_long": pl.Series(np.where(usable, long_run, np.nan), nan_to_null=True),
        "ready": pl.Series(usable & enough & (ewma > 0) & (long_run > 0)),
    }


def _age(decision: Ints, published: Ints, found: Bools) -> Floats:
    days = (decision - published) / MICROSECONDS_PER_DAY
    return np.where(found, days, np.nan)


def _where(keep: Bools, values: Floats) -> Floats:
    return np.where(keep[:, None], values, np.nan)


def _list_column(name: str, matrix: np.ndarray) -> pl.Series:
    return pl.Series(name, matrix).arr.to_list()
