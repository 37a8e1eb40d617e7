"""Replacing the database by one that was built beside it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import duckdb

from cbi_pipeline.warehouse._publication import sync
from cbi_pipeline.warehouse._state_blocks import refresh_all_blocks


def copy_tables(
    connection: duckdb.DuckDBPyConnection, database: Path, tables: Collection[str]
) -> None:
    """Copy tables of another database, by column name, into this one.

    Raises:
        duckdb.Error: a table has columns that do not fit, or the database cannot be read.
    """
    if not tables or not database.exists():
        return
    connection.execute(f"ATTACH {_quoted(database)} AS old (READ_ONLY)")
    for table in tables:
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM old.{table}")
    connection.execute("DETACH old")
    refresh_all_blocks(connection)


def swap_database(fresh: Path, database: Path) -> None:
    """Put ``fresh``, closed and checkpointed, in the place of ``database``."""
    sync(fresh)
    _absorb_log(database)
    # A log left by a database too damaged to open must not be replayed into the new one.
    _log(database).unlink(missing_ok=True)
    fresh.replace(database)
    sync(database.parent)


def remove_database(database: Path) -> None:
    """Remove what an interrupted rebuild left."""
    database.unlink(missing_ok=True)
    _log(database).unlink(missing_ok=True)


def _absorb_log(database: Path) -> None:
    # Opening and closing folds the log into the file. A file that does not open is what this
    # rebuild is there to replace.
    if _log(database).exists():
        with suppress(duckdb.Error), duckdb.connect(str(database)) as connection:
            connection.execute("CHECKPOINT")


def _log(database: Path) -> Path:
    return database.with_name(database.name + ".wal")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
