"""Reading tables of versions: as of an instant, and beside what is to be compared with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from cbi_pipeline.warehouse._connection import AMONG, among, fetch
from cbi_pipeline.warehouse._state_blocks import list_series
from cbi_pipeline.warehouse._versions import stored_columns
from data_contracts.versioned import VersionedTable


def read_as_of(
    connection: duckdb.DuckDBPyConnection,
    table: VersionedTable,
    known_at: str,
    t: datetime,
    series: Sequence[str] | None,
) -> pl.DataFrame:
    """The newest version of each cell known at an instant; see :meth:`Store.as_of`.

    Args:
        connection: where the table is.
        table: the table to read.
        known_at: column of the instant since which a version was known.
        t: the instant.
        series: the series to read, or None for all.
    """
    chosen = "" if series is None else "AND series_id = ANY(?)"
    params = [t] if series is None else [t, list(series)]
    time = table.time
    read = ["series_id", *table.identity, time, "version", *table.measured]
    return fetch(
        connection,
        f"""
        WITH known AS NOT MATERIALIZED (
            FROM {table.name} WHERE {known_at} <= ? {chosen}),
        revised AS (
            SELECT series_id, {time}, max(version) AS newest
            FROM known WHERE version > 1 GROUP BY ALL)
        SELECT {", ".join(read)}, available_at, available_basis
        FROM known ANTI JOIN revised
            ON known.series_id = revised.series_id AND known.{time} = revised.{time}
            AND known.version < revised.newest
        WHERE status = 'value'
        ORDER BY series_id, {time}""",
        params,
    )


def read_stored(
    connection: duckdb.DuckDBPyConnection,
    table: VersionedTable,
    parsed: pl.DataFrame,
    complete: Collection[str],
) -> pl.DataFrame:
    """Every version of the cells in ``parsed`` and of all cells of complete series."""
    # Asked by series and span, and matched here: a frame shown to SQL inside a transaction is
    # held until its end.
    met = sorted(list_series(connection) & set(parsed["series_id"]))
    whole = [name for name in met if name in complete]
    others = [name for name in met if name not in complete]
    cells = parsed.filter(pl.col("series_id").is_in(others)).select(table.cell)
    time = pl.col(table.time)
    span = cells.select(first=time.min(), last=time.max()).row(0)
    near = _versions(connection, table, others, f"AND {table.time} BETWEEN ? AND ?", span)
    every = _versions(connection, table, whole)
    return pl.concat([every, near.join(cells, on=table.cell, how="semi")])


def _versions(
    connection: duckdb.DuckDBPyConnection,
    table: VersionedTable,
    series: Sequence[str],
    condition: str = "",
    params: Sequence[Any] = (),
) -> pl.DataFrame:
    columns = stored_columns(table)
    if not series:
        return table.contract.empty().select(columns)
    return fetch(
        connection,
        f"SELECT {', '.join(columns)} FROM {table.name} WHERE {AMONG} {condition}",
        [*among(series), *params],
    )
