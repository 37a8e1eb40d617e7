"""The stored block hashes: what lets a night's state cost a night's rows.

``meta.state_block`` holds the hash of every (series, year) over all its versions, and the span
of instants they became known in. A block that was wholly known at an instant is taken as it
stands; only the few blocks the instant falls into are hashed again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from cbi_pipeline.warehouse._connection import as_view, fetch
from cbi_pipeline.warehouse._state import STATE_COLUMNS, digest, hash_blocks

STATE_BLOCKS_DDL = """
    CREATE TABLE IF NOT EXISTS meta.state_block (
        series_id VARCHAR NOT NULL, year INTEGER NOT NULL,
        oldest TIMESTAMPTZ NOT NULL, newest TIMESTAMPTZ NOT NULL, digest VARCHAR NOT NULL,
        PRIMARY KEY (series_id, year))"""

_ROWS = f"SELECT {', '.join(f'o.{name}' for name in STATE_COLUMNS)} FROM raw.observation o"


def state(connection: duckdb.DuckDBPyConnection, as_of: datetime, series: Collection[str]) -> str:
    """The state of ``series`` at an instant.

    Raises:
        ValueError: a series with observations has no row in ``ref.series``.
    """
    names = list(series)
    whole = fetch(
        connection,
        "SELECT series_id, year, digest FROM meta.state_block "
        "WHERE newest <= ? AND series_id = ANY(?)",
        [as_of, names],
    )
    partly = fetch(
        connection,
        "SELECT series_id, year FROM meta.state_block WHERE newest > ? AND series_id = ANY(?)",
        [as_of, names],
    )
    known = _rows_of(connection, partly, "AND o.available_at <= ?", [as_of])
    units = dict(connection.execute("SELECT series_id, unit FROM ref.series").fetchall())
    blocks = [whole, hash_blocks(known).select(whole.columns).cast(whole.schema)]
    return digest(pl.concat(blocks), units)


def refresh_blocks(connection: duckdb.DuckDBPyConnection, added: pl.DataFrame) -> None:
    """Hash again the blocks that new observations fall into, inside the running transaction."""
    touched = added.select("series_id", year=pl.col("period").dt.year()).unique()
    _put(connection, hash_blocks(_rows_of(connection, touched)))


def refresh_all_blocks(connection: duckdb.DuckDBPyConnection) -> None:
    """Hash every block from scratch, inside the running transaction."""
    connection.execute("DELETE FROM meta.state_block")
    _put(connection, hash_blocks(fetch(connection, _ROWS)))


def _rows_of(
    connection: duckdb.DuckDBPyConnection,
    blocks: pl.DataFrame,
    condition: str = "",
    params: Sequence[Any] = (),
) -> pl.DataFrame:
    """The versions in some blocks (series_id, year)."""
    if blocks.is_empty():
        return fetch(connection, f"{_ROWS} WHERE false")
    # The span of years spares the join all but a few of the rows that a night does not touch.
    span = [blocks["year"].min(), blocks["year"].max()]
    with as_view(connection, blocks) as view:
        return fetch(
            connection,
            f"{_ROWS} SEMI JOIN {view} b ON o.series_id = b.series_id AND year(o.period) = b.year "
            f"WHERE o.period BETWEEN make_date(?, 1, 1) AND make_date(?, 12, 31) {condition}",
            [*span, *params],
        )


def _put(connection: duckdb.DuckDBPyConnection, blocks: pl.DataFrame) -> None:
    with as_view(connection, blocks) as view:
        connection.execute(f"INSERT OR REPLACE INTO meta.state_block BY NAME SELECT * FROM {view}")
