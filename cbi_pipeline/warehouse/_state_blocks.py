"""The stored block hashes: what lets a night's state cost a night's rows.

``meta.state_block`` holds the hash of every (series, year) over all its versions, in whichever
table of versions they are, and the span of instants they became known in. A block that was wholly
known at an instant is taken as it stands; only the few blocks the instant falls into are hashed
again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from cbi_pipeline.warehouse._connection import AMONG, among, as_view, fetch
from cbi_pipeline.warehouse._state import BLOCK, digest, hash_blocks, state_columns
from data_contracts.versioned import VERSIONED, VersionedTable

STATE_BLOCKS_DDL = """
    CREATE TABLE IF NOT EXISTS meta.state_block (
        series_id VARCHAR NOT NULL, year INTEGER NOT NULL,
        oldest TIMESTAMPTZ NOT NULL, newest TIMESTAMPTZ NOT NULL, digest VARCHAR NOT NULL,
        PRIMARY KEY (series_id, year))"""


def states(
    connection: duckdb.DuckDBPyConnection, instants: Collection[datetime], series: Collection[str]
) -> dict[datetime, str]:
    """The state of ``series`` at each instant.

    Raises:
        ValueError: a series with observations has no row in ``ref.series``.
    """
    if not instants:
        return {}
    stored = fetch(
        connection,
        "SELECT series_id, year, digest, newest FROM meta.state_block WHERE series_id = ANY(?)",
        [list(series)],
    )
    cut = stored.filter(pl.col("newest") > min(instants)).select(*BLOCK)
    until = "AND available_at <= ?", [max(instants)]
    rows = [(table, _rows_of(connection, table, cut, *until)) for table in VERSIONED]
    units = dict(connection.execute("SELECT series_id, unit FROM ref.series").fetchall())
    digests = {}
    for instant in instants:
        whole = stored.filter(pl.col("newest") <= instant).drop("newest")
        partly = [_hash_partial(table, of, whole, instant) for table, of in rows]
        blocks = [whole, *(part.select(whole.columns).cast(whole.schema) for part in partly)]
        digests[instant] = digest(pl.concat(blocks), units)
    return digests


def _hash_partial(
    table: VersionedTable, rows: pl.DataFrame, whole: pl.DataFrame, instant: datetime
) -> pl.DataFrame:
    """Blocks of what was known at an instant, but for those that were wholly known."""
    public = rows.filter(pl.col("available_at") <= instant).with_columns(_year(table))
    return hash_blocks(public.join(whole, on=list(BLOCK), how="anti").drop("year"), table)


def list_series(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Series that have versions, those of the running transaction included."""
    names = connection.execute("SELECT DISTINCT series_id FROM meta.state_block").fetchall()
    return {name for (name,) in names}


def refresh_blocks(
    connection: duckdb.DuckDBPyConnection, table: VersionedTable, added: pl.DataFrame
) -> None:
    """Hash again the blocks that new versions fall into, inside the running transaction.

    Args:
        connection: where they were added.
        table: the table they were added to.
        added: the new rows.
    """
    touched = added.select("series_id", _year(table)).unique()
    stored = fetch(
        connection,
        f"SELECT series_id, year FROM meta.state_block WHERE {AMONG}",
        among(touched["series_id"].unique()),
    )
    again = touched.join(stored, on=list(BLOCK), how="semi")
    fresh = added.with_columns(_year(table)).join(again, on=list(BLOCK), how="anti")
    _put(connection, hash_blocks(fresh.select(state_columns(table)), table))
    _put(connection, hash_blocks(_rows_of(connection, table, again), table))


def refresh_all_blocks(connection: duckdb.DuckDBPyConnection) -> None:
    """Hash every block from scratch, inside the running transaction."""
    connection.execute("DELETE FROM meta.state_block")
    for blocks in _hash_anew(connection):
        _put(connection, blocks)


def altered_blocks(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Series and years whose stored hash is not that of their versions, sorted."""
    stored = fetch(connection, "SELECT series_id, year, digest FROM meta.state_block")
    right = [blocks.select(stored.columns) for blocks in _hash_anew(connection)]
    return (
        pl.concat([stored, *right], how="vertical_relaxed")
        .filter(pl.struct(pl.all()).is_unique())
        .select(*BLOCK)
        .unique()
        .sort(*BLOCK)
    )


def _hash_anew(connection: duckdb.DuckDBPyConnection) -> Iterator[pl.DataFrame]:
    for table in VERSIONED:
        every = f"SELECT DISTINCT series_id, year({table.day_sql})::INTEGER AS year"
        for (_,), blocks in fetch(connection, f"{every} FROM {table.name}").group_by("year"):
            yield hash_blocks(_rows_of(connection, table, blocks), table)


def _rows_of(
    connection: duckdb.DuckDBPyConnection,
    table: VersionedTable,
    blocks: pl.DataFrame,
    condition: str = "",
    params: Sequence[Any] = (),
) -> pl.DataFrame:
    """The versions of a table in some blocks (series_id, year)."""
    columns = state_columns(table)
    if blocks.is_empty():
        return table.contract.empty().select(columns)
    years = blocks["year"].unique().sort().to_list()
    # The span of years spares the scan all but a few of the rows that a night does not touch.
    span = [years[0], years[-1]]
    versions = fetch(
        connection,
        f"SELECT {', '.join(columns)} FROM {table.name} "
        f"WHERE {AMONG} AND year({table.day_sql}) = ANY(?) "
        f"AND {table.day_sql} BETWEEN make_date(?, 1, 1) AND make_date(?, 12, 31) {condition}",
        [*among(blocks["series_id"].unique()), years, *span, *params],
    )
    return (
        versions.with_columns(_year(table)).join(blocks, on=list(BLOCK), how="semi").select(columns)
    )


def _year(table: VersionedTable) -> pl.Expr:
    return table.day.dt.year().alias("year")


def _put(connection: duckdb.DuckDBPyConnection, blocks: pl.DataFrame) -> None:
    if blocks.is_empty():
        return
    with as_view(connection, blocks) as view:
        connection.execute(f"INSERT OR REPLACE INTO meta.state_block BY NAME SELECT * FROM {view}")
