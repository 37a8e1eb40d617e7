"""Feature rows: one commodity on one session as known at its decision instant, built once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.features.as_of_series import Floats
from cbi_pipeline.features.declarations import ORIGIN as ORIGIN_GROUP
from cbi_pipeline.features.group import Group, Source
from cbi_pipeline.features.origins import keep_order, origins, origins_of
from cbi_pipeline.features.reader import Block, Market, Reader
from cbi_pipeline.features.tables import Rows, contract_of
from cbi_pipeline.market import calendar
from data_contracts.features import ORIGIN

BOUND = 10.0
"""Values are kept within +-10: beyond that a z-score says "off the scale" and nothing more."""


def build_rows(
    market: Market,
    commodity: Commodity,
    names: Mapping[str, str],
    stored: Rows,
    as_of: datetime,
    *,
    at_sight: bool = False,
) -> Rows:
    """Rows of one commodity decided at or before ``as_of`` that are not stored.

    A row for session s uses prices of sessions up to s and series, each in the newest version
    public at the row's decision instant; neither later news nor a later ``as_of`` changes it. A
    session gets no row when its price became public after a later session was decided on, or was
    withdrawn again before its own decision instant.

    Args:
        market: what can be read.
        commodity: whose rows.
        names: generation of the origins and of each group.
        stored: rows of these generations that were built before; their groups are built.
        as_of: aware instant.
        at_sight: as for :func:`origins`.
    """
    due = origins(market.prices, commodity, as_of, at_sight=at_sight)
    fresh = keep_order(build_origins(Reader(due, market), names[ORIGIN_GROUP]), stored.origins)
    every = pl.concat([stored.origins, fresh]).sort("session")
    reader = Reader(origins_of(every, commodity), market)
    groups = {
        group: _lacking(reader, group, names[group.name], frame)
        for group, frame in stored.groups.items()
    }
    return Rows(fresh, groups)


def build_origins(reader: Reader, generation: str) -> pl.DataFrame:
    """Rows of ``features.origin`` for the sessions of a reader that have a price."""
    return (
        _keys(reader, generation)
        .with_columns(
            price=pl.Series(reader.session.raw),
            **_variances(reader.due.commodity, reader.session.values),
        )
        .filter(pl.col("price").is_not_nan())
        .select(list(ORIGIN.dtypes))
    )


def build_group(reader: Reader, group: Group, generation: str) -> pl.DataFrame:
    """Rows of a group's table for the sessions of a reader."""
    blocks = {source: reader.block(group, source) for source in group.sources}
    rows = _keys(reader, generation).with_columns(**_values(group, blocks), age=_age(blocks))
    return rows.select(list(contract_of(group).dtypes))


def _lacking(reader: Reader, group: Group, generation: str, stored: pl.DataFrame) -> pl.DataFrame:
    """Rows of a group for the origins that have none."""
    if _keys(reader, generation).join(stored, on="session", how="anti").is_empty():
        return stored.clear()
    rows = build_group(reader, group, generation)
    return rows.join(stored, on="session", how="anti", maintain_order="left")


def _keys(reader: Reader, generation: str) -> pl.DataFrame:
    due = reader.due
    return pl.DataFrame(
        {
            "session": pl.Series(due.session.astype("datetime64[D]")),
            "decision_at": pl.Series(due.decision).cast(pl.Datetime("us", "UTC")),
        }
    ).with_columns(
        generation=pl.lit(generation),
        commodity=pl.lit(due.commodity.id),
        arrived_at=pl.lit(reader.market.arrived_at, pl.Datetime("us", "UTC")),
    )


def _values(group: Group, blocks: Mapping[Source, Block]) -> dict[str, pl.Series]:
    """The group's columns, whichever source they read, null where absent."""
    values, assumed = [], []
    for column in group.columns:
        block = blocks[column.source]
        values.append(block.values[:, group.columns_of(column.source).index(column)])
        assumed.append(block.assumed)
    table, rests = np.column_stack(values), np.column_stack(assumed)
    present = np.isfinite(table)
    bounded = np.clip(np.where(present, table, 0.0), -BOUND, BOUND).astype(np.float32)
    named = np.where(present, bounded, np.float32("nan"))
    return {
        **{
            column.name: pl.Series(named[:, number], nan_to_null=True)
            for number, column in enumerate(group.columns)
        },
        "assumed": pl.Series((present & rests).sum(1) / np.maximum(present.sum(1), 1)),
    }


def _age(blocks: Mapping[Source, Block]) -> pl.Series:
    """Days since the newest value that the group reads became public, null when none ever did."""
    youngest = np.fmin.reduce([block.age for block in blocks.values()])
    return pl.Series(youngest.astype(np.float32), nan_to_null=True)


def _variances(commodity: Commodity, history: Floats) -> dict[str, pl.Series]:
    ewma, long_run, returns = history.T
    usable = np.isfinite(ewma) & np.isfinite(long_run)
    enough = returns >= calendar(commodity.calendar).ready_after
    return {
        "variance_ewma": pl.Series(np.where(usable, ewma, np.nan), nan_to_null=True),
        "variance_long": pl.Series(np.where(usable, long_run, np.nan), nan_to_null=True),
        "ready": pl.Series(usable & enough & (ewma > 0) & (long_run > 0)),
    }
