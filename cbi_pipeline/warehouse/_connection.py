"""Opening the two kinds of database file: the one being written and a published snapshot."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from cbi_pipeline.warehouse._damage import describe, describe_errors
from cbi_pipeline.warehouse._errors import DatabaseDamaged, NothingPublished, WarehouseBusy
from cbi_pipeline.warehouse._lock import pause

_VIEW_NUMBERS = count()


@contextmanager
def open_writable(
    path: Path, wait_s: float, memory: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the written database; the caller holds the writer lock.

    Args:
        path: database file, created when missing.
        wait_s: seconds to wait for a program outside this package that has the file open.
        memory: most that DuckDB may hold in memory, e.g. ``128MB``; by default its own limit.

    Raises:
        WarehouseBusy: such a program kept it open.
        DatabaseDamaged, DatabaseRefused: it cannot be opened, or what is done with it fails.
    """
    with describe_errors(path):
        connection = _connect_patiently(path, wait_s, read_only=False)
        try:
            _configure(connection)
            if memory is not None:
                connection.execute("SET memory_limit = ?", [memory])
            yield connection
        finally:
            connection.close()


def open_readable(path: Path, wait_s: float) -> duckdb.DuckDBPyConnection:
    """Open the written database read-only; the caller closes it, soon: writers wait meanwhile.

    Raises:
        WarehouseBusy: a writer had it open for longer than ``wait_s`` seconds.
        DatabaseDamaged, DatabaseRefused: it cannot be opened.
    """
    with describe_errors(path):
        connection = _connect_patiently(path, wait_s, read_only=True)
    _configure(connection)
    return connection


def open_snapshot(pointer: Path) -> duckdb.DuckDBPyConnection:
    """Open the snapshot that ``pointer`` names, read-only; the caller closes it.

    Raises:
        NothingPublished: nothing was ever published there.
        DatabaseDamaged, DatabaseRefused: it cannot be opened.
    """
    while True:
        path = _follow(pointer)
        try:
            connection = duckdb.connect(str(path), read_only=True)
        except duckdb.Error as error:
            # Pruned between the two lines: newer snapshots exist, and the pointer names one.
            if path.exists():
                raise describe(path, error) from error
            continue
        _configure(connection)
        return connection


def file_of(connection: duckdb.DuckDBPyConnection) -> Path:
    """The file that a connection has open."""
    sql = "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    return Path(connection.execute(sql).fetchall()[0][0])


def _follow(pointer: Path) -> Path:
    try:
        return pointer.resolve(strict=True)
    except FileNotFoundError:
        raise NothingPublished(
            f"no data published in {pointer.parent}: run `cbi run` first"
        ) from None
    except (OSError, RuntimeError) as error:  # links that go round in a circle
        raise DatabaseDamaged(f"{pointer} names no file ({error}): run `cbi rebuild`") from error


def fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Any] = ()
) -> pl.DataFrame:
    """Rows of a SELECT; instants come back as UTC microseconds."""
    # DuckDB 1.5 turns every row of sql(..., params=...) into Python objects, a hundred times
    # slower than this, which 2.0 has as well.
    return pl.DataFrame(connection.execute(sql, list(params)).to_arrow_table())


@contextmanager
def as_view(connection: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> Iterator[str]:
    """Let SQL read a frame under the name this gives."""
    # A view made in a transaction that is rolled back can neither be dropped then nor made again
    # under its name; it goes with the connection.
    view = f"incoming_{next(_VIEW_NUMBERS)}"
    # DuckDB turns a polars frame into Arrow anew for every look at it.
    connection.register(view, frame.to_arrow())
    yield view
    connection.unregister(view)


def insert(connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    """Add rows whose columns are the table's, in its order."""
    # Several threads would leave a row group unfilled after each insertion, and the next checkpoint
    # would write the whole table again to fill them.
    connection.execute("SET threads = 1")
    # Unlike a view, a relation is let go at once, not at the end of the transaction.
    connection.from_arrow(frame.to_arrow()).insert_into(table)
    connection.execute("RESET threads")


#: Condition on rows of some series; its parameters come from :func:`among`.
AMONG = "series_id BETWEEN ? AND ? AND series_id = ANY(?)"


def among(series: Collection[str]) -> list[Any]:
    """Parameters of ``AMONG``: the outermost two let DuckDB pass over whole row groups."""
    return [min(series, default=""), max(series, default=""), list(series)]


def _connect_patiently(path: Path, wait_s: float, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise
            if time.monotonic() >= deadline:
                raise WarehouseBusy(f"{path} is open in another program: {error}") from error
            pause()


def _configure(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    # A table name must never silently mean a Python variable of the caller.
    connection.execute("SET python_enable_replacements = false")
