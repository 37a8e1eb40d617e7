"""What the columns of a commodity read, as known at the decision instant of each of its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.features.as_of_series import AsOfValues, Bools, Floats, VintageSeries, read
from cbi_pipeline.features.expressions import Expression, Rhythm
from cbi_pipeline.features.group import (
    Group,
    OwnSession,
    RelatedGap,
    RelatedSession,
    Report,
    Series,
    Source,
    transform_of,
)
from cbi_pipeline.features.origins import Origins, price_versions
from cbi_pipeline.features.prices import HISTORY
from cbi_pipeline.features.reports import of_entries, report_versions
from cbi_pipeline.market import calendar
from data_contracts.families import family

MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Block:
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
class Market:
    """What the columns of any commodity may read.

    Attributes:
        prices: every version of every commodity's price (``market.session``).
        observations: every version of the series (``raw.observation``).
        catalogue: commodities, and which series each reads.
    """

    prices: pl.DataFrame
    observations: pl.DataFrame
    catalogue: Catalogue

    @cached_property
    def series(self) -> dict[str | None, pl.DataFrame]:
        """The observations by series id."""
        parts = self.observations.partition_by("series_id", as_dict=True)
        return {str(name): part for (name,), part in parts.items()}

    @cached_property
    def arrived_at(self) -> datetime | None:
        """The newest sighting of a value that stands; None where there is none.

        One that a wrong clock dated in the future was entered once more when the clock was right.
        """
        newest_version = pl.col("version").max().over("series_id", "period")
        last_versions = self.observations.filter(pl.col("version") == newest_version)
        newest = last_versions["seen_at"].max()
        assert newest is None or isinstance(newest, datetime)
        return newest


@dataclass(frozen=True)
class Reader:
    """Everything that columns read of one commodity, at the instants of its rows.

    Attributes:
        due: its sessions and when they are decided on.
        market: what can be read.
    """

    due: Origins
    market: Market

    @cached_property
    def rhythm(self) -> Rhythm:
        """What the commodity's calendar says of its entries."""
        return _rhythm(self.due.commodity)

    @cached_property
    def session(self) -> AsOfValues:
        """The price of each row's session, and the history behind it."""
        return self._read_own(HISTORY)

    @cached_property
    def related(self) -> tuple[Commodity, AsOfValues] | None:
        """The related market and its newest price; None where the catalogue names none."""
        other = self.market.catalogue.find_related(self.due.commodity)
        return None if other is None else (other, self._read_related(other, ()))

    def block(self, group: Group, source: Source) -> Block:
        """The columns of a group that read one source."""
        expressions = tuple(column.expression for column in group.columns_of(source))
        if isinstance(source, OwnSession):
            return self._make_block(self._read_own(expressions))
        if isinstance(source, RelatedSession):
            return self._related_block(expressions)
        if isinstance(source, RelatedGap):
            return self._gap_block(expressions)
        return self._assigned_block(group, source, expressions)

    def _read_own(self, expressions: tuple[Expression, ...]) -> AsOfValues:
        return read(
            price_versions(self.market.prices, self.due.commodity.id),
            transform_of(OwnSession(), expressions, self.rhythm),
            len(expressions),
            self.due.decision,
            self.due.session,
        )

    def _read_related(self, other: Commodity, expressions: tuple[Expression, ...]) -> AsOfValues:
        return read(
            price_versions(self.market.prices, other.id),
            transform_of(RelatedSession(), expressions, _rhythm(other)),
            len(expressions),
            self.due.decision,
        )

    def _related_block(self, expressions: tuple[Expression, ...]) -> Block:
        if self.related is None:
            return self._make_absent(len(expressions))
        other, _ = self.related
        block = self._make_block(self._read_related(other, expressions))
        return _hide_stale(block, other.stale_after_days)

    def _gap_block(self, expressions: tuple[Expression, ...]) -> Block:
        """The gap is a series of its own: one value per row, known from the row's decision on."""
        if self.related is None:
            return self._make_absent(len(expressions))
        other, newest = self.related
        fresh = self._age(newest) <= other.stale_after_days
        price, level = self.session.raw, np.where(fresh, newest.raw, np.nan)
        assumed = self.session.assumed | newest.assumed
        positive = (price > 0) & (level > 0)
        gap = np.log(np.where(positive, price, 1.0)) - np.log(np.where(positive, level, 1.0))
        versions = VintageSeries(
            period=self.due.session[positive],
            available=self.due.decision[positive],
            value=gap[positive],
            assumed=assumed[positive],
        )
        transform = transform_of(RelatedGap(), expressions, self.rhythm)
        width, due = len(expressions), self.due
        reading = read(versions, transform, width, due.decision, due.session)
        return Block(reading.values, assumed, np.full(due.size, np.nan))

    def _assigned_block(
        self, group: Group, source: Series | Report, expressions: tuple[Expression, ...]
    ) -> Block:
        assigned = source.name_in(self.due.commodity, self.market.catalogue, group.name)
        observed = [
            self.market.series.get(series) for series in group.series_behind(source, assigned)
        ]
        if all(frame is None for frame in observed):
            return self._make_absent(len(expressions))
        transform = transform_of(source, expressions, self.rhythm)
        if isinstance(source, Report):
            versions, entries = report_versions(observed)
            transform = of_entries(transform, entries)
        else:
            versions = VintageSeries.from_frame(
                pl.concat(frame for frame in observed if frame is not None),
                period=pl.col("period").to_physical(),
                value=pl.when(pl.col("status") == "value").then("value"),
            )
        reading = read(versions, transform, len(expressions), self.due.decision)
        limit = family(source.family).staleness.total_seconds() / 86_400
        return _hide_stale(self._make_block(reading), limit)

    def _make_block(self, reading: AsOfValues) -> Block:
        return Block(reading.values, reading.assumed, self._age(reading))

    def _age(self, reading: AsOfValues) -> Floats:
        days = (self.due.decision - reading.published) / MICROSECONDS_PER_DAY
        return np.where(reading.has_value, days, np.nan)

    def _make_absent(self, width: int) -> Block:
        size = self.due.size
        nothing = np.full(size, np.nan)
        return Block(np.full((size, width), np.nan), np.zeros(size, dtype=np.bool_), nothing)


def _hide_stale(block: Block, limit: float) -> Block:
    """The same with its columns absent where the newest value is older than ``limit`` days."""
    values = np.where((block.age <= limit)[:, None], block.values, np.nan)
    return replace(block, values=values)


def _rhythm(commodity: Commodity) -> Rhythm:
    return Rhythm(commodity.sessions_per_year, calendar(commodity.calendar).ready_after)
