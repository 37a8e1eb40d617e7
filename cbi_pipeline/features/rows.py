"""Feature rows: one commodity on one session as known at its decision instant, built once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.features.expressions import Expression, Rhythm
from cbi_pipeline.features.feature_sets import FeatureSet
from cbi_pipeline.features.group import (
    Group,
    OwnSession,
    RelatedGap,
    RelatedSession,
    Series,
    Source,
    transform_of,
)
from cbi_pipeline.features.known import Bools, Floats, Reading, Versions, read
from cbi_pipeline.features.origins import Origins, keep_order, origins, price_versions
from cbi_pipeline.features.prices import HISTORY
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
        age: float64 [n], days since the newest value became public; NaN when there is none.
    """

    values: Floats
    assumed: Bools
    age: Floats


@dataclass(frozen=True)
class _Market:
    """One commodity, and everything its columns may read, at the instants of its rows.

    Attributes:
        due: its sessions and when they are decided on.
        prices: every version of every commodity's price.
        observations: every version of the series, by series id.
        catalogue: commodities, and which series each reads.
    """

    due: Origins
    prices: pl.DataFrame
    observations: dict[tuple[object, ...], pl.DataFrame]
    catalogue: Catalogue

    @cached_property
    def rhythm(self) -> Rhythm:
        """What the commodity's calendar says of its entries."""
        return _rhythm(self.due.commodity)

    @cached_property
    def session(self) -> Reading:
        """The price of each row's session, and the history behind it."""
        return self._read_own(HISTORY)

    @cached_property
    def related(self) -> tuple[Commodity, Reading] | None:
        """The related market and its newest price; None where the catalogue names none."""
        other = self.catalogue.related(self.due.commodity)
        return None if other is None else (other, self._read_related(other, ()))

    def block(self, group: Group, source: Source) -> _Block:
        """The columns of a group that read one source."""
        expressions = tuple(column.expression for column in group.columns_of(source))
        if isinstance(source, OwnSession):
            return self._dated(self._read_own(expressions))
        if isinstance(source, RelatedSession):
            return self._related_block(expressions)
        if isinstance(source, RelatedGap):
            return self._gap_block(expressions)
        return self._series_block(group, source, expressions)

    def _read_own(self, expressions: tuple[Expression, ...]) -> Reading:
        return read(
            price_versions(self.prices, self.due.commodity.id),
            transform_of(OwnSession(), expressions, self.rhythm),
            len(expressions),
            self.due.decision,
            self.due.session,
        )

    def _read_related(self, other: Commodity, expressions: tuple[Expression, ...]) -> Reading:
        return read(
            price_versions(self.prices, other.id),
            transform_of(RelatedSession(), expressions, _rhythm(other)),
            len(expressions),
            self.due.decision,
        )

    def _related_block(self, expressions: tuple[Expression, ...]) -> _Block:
        if self.related is None:
            return self._absent(len(expressions))
        other, _ = self.related
        block = self._dated(self._read_related(other, expressions))
        return _fresh(block, other.stale_after_days)

    def _gap_block(self, expressions: tuple[Expression, ...]) -> _Block:
        """The gap is a series of its own: one value per row, known from the row's decision on."""
        if self.related is None:
            return self._absent(len(expressions))
        other, newest = self.related
        fresh = self._age(newest) <= other.stale_after_days
        price, level = self.session.raw, np.where(fresh, newest.raw, np.nan)
        assumed = self.session.assumed | newest.assumed
        positive = (price > 0) & (level > 0)
        gap = np.log(np.where(positive, price, 1.0)) - np.log(np.where(positive, level, 1.0))
        versions = Versions(
            period=self.due.session[positive],
            available=self.due.decision[positive],
            value=gap[positive],
            assumed=assumed[positive],
        )
        transform = transform_of(RelatedGap(), expressions, self.rhythm)
        width, due = len(expressions), self.due
        reading = read(versions, transform, width, due.decision, due.session)
        return _Block(reading.values, assumed, np.full(due.size, np.nan))

    def _series_block(
        self, group: Group, source: Series, expressions: tuple[Expression, ...]
    ) -> _Block:
        assigned = self.catalogue.series_of(self.due.commodity, group.name).get(source.name)
        observed = self.observations.get((assigned,))
        if observed is None:
            return self._absent(len(expressions))
        versions = Versions.from_frame(
            observed,
            period=pl.col("period").to_physical(),
            value=pl.when(pl.col("status") == "value").then("value"),
        )
        transform = transform_of(source, expressions, self.rhythm)
        reading = read(versions, transform, len(expressions), self.due.decision)
        limit = family(source.family).staleness.total_seconds() / 86_400
        return _fresh(self._dated(reading), limit)

    def _dated(self, reading: Reading) -> _Block:
        return _Block(reading.values, reading.assumed, self._age(reading))

    def _age(self, reading: Reading) -> Floats:
        days = (self.due.decision - reading.published) / MICROSECONDS_PER_DAY
        return np.where(reading.found, days, np.nan)

    def _absent(self, width: int) -> _Block:
        size = self.due.size
        nothing = np.full(size, np.nan)
        return _Block(np.full((size, width), np.nan), np.zeros(size, dtype=np.bool_), nothing)


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

    A row for session s uses prices of sessions up to s and series, each in the newest version
    public at the row's decision instant; neither later news nor a later ``as_of`` changes it. A
    session gets no row when its price became public after a later session was decided on, or was
    withdrawn again before its own decision instant.

    Args:
        prices: every version of every commodity's price (``market.session``).
        observations: every version of the series (``raw.observation``); others are ignored.
        catalogue: commodities to build rows for, and what their groups read.
        feature_set: groups to build.
        as_of: aware instant.
        existing: rows built before, any feature set.
        at_sight: as for :func:`origins`.
    """
    given = (prices, observations, catalogue, feature_set, as_of, existing)
    frames = [build_rows_of(one, *given, at_sight=at_sight) for one in catalogue.commodities]
    return pl.concat([ROW.empty(), *frames])


def build_rows_of(
    commodity: Commodity,
    prices: pl.DataFrame,
    observations: pl.DataFrame,
    catalogue: Catalogue,
    feature_set: FeatureSet,
    as_of: datetime,
    existing: pl.DataFrame | None = None,
    *,
    at_sight: bool = False,
) -> pl.DataFrame:
    """Those of `build_rows` that are of one commodity."""
    by_series = observations.partition_by("series_id", as_dict=True)
    due = origins(prices, commodity, as_of, at_sight=at_sight)
    return keep_order(_rows(_Market(due, prices, by_series, catalogue), feature_set), existing)


def _rows(market: _Market, feature_set: FeatureSet) -> pl.DataFrame:
    due = market.due
    groups = {
        group: {source: market.block(group, source) for source in group.sources}
        for group in feature_set.read
    }
    columns = {
        **_values(groups),
        "ages": _list_column("ages", _ages(groups)),
        **_variances(due.commodity, market.session.values),
    }
    return (
        pl.DataFrame({"price": market.session.raw, **columns})
        .with_columns(
            feature_set=pl.lit(feature_set.name),
            commodity=pl.lit(due.commodity.id),
            session=pl.Series(due.session.astype("datetime64[D]")),
            decision_at=pl.Series(due.decision).cast(pl.Datetime("us", "UTC")),
        )
        .filter(pl.col("price").is_not_nan())
        .select(list(ROW.dtypes))
    )


_Blocks = dict[Group, dict[Source, _Block]]


def _values(groups: _Blocks) -> dict[str, pl.Series]:
    """Every column in the order of its group, whichever source it reads."""
    values, assumed = [], []
    for group, blocks in groups.items():
        for column in group.columns:
            block = blocks[column.source]
            place = group.columns_of(column.source).index(column)
            values.append(block.values[:, place])
            assumed.append(block.assumed)
    table, rests = np.column_stack(values), np.column_stack(assumed)
    present = np.isfinite(table)
    bounded = np.clip(np.where(present, table, 0.0), -BOUND, BOUND).astype(np.float32)
    return {
        "values": _list_column("values", bounded),
        "mask": _list_column("mask", present),
        "assumed": pl.Series((present & rests).sum(1) / np.maximum(present.sum(1), 1)),
    }


def _ages(groups: _Blocks) -> Floats:
    """Float32 [n, G]: days since the newest value of each group became public, 0 when never."""
    ages = []
    for blocks in groups.values():
        youngest = np.fmin.reduce([block.age for block in blocks.values()])
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


def _fresh(block: _Block, limit: float) -> _Block:
    """The same with its columns absent where the newest value is older than ``limit`` days."""
    values = np.where((block.age <= limit)[:, None], block.values, np.nan)
    return replace(block, values=values)


def _rhythm(commodity: Commodity) -> Rhythm:
    return Rhythm(commodity.sessions_per_year, calendar(commodity.calendar).ready_after)


def _list_column(name: str, matrix: np.ndarray) -> pl.Series:
    return pl.Series(name, matrix).arr.to_list()
