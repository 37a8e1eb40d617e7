"""Replacing the database by one that was built beside it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import duckdb

from cbi_pipeline.warehouse._errors import LayoutChanged, WarehouseError
from cbi_pipeline.warehouse._layout import columns_of
from cbi_pipeline.warehouse._publication import sync
from cbi_pipeline.warehouse._state_blocks import refresh_all_blocks


def copy_tables(
    connection: duckdb.DuckDBPyConnection,
    databases: Sequence[Path],
    tables: Collection[str],
    derived: Collection[str],
) -> None:
    """Copy tables, by column name, from the first of some databases that can be read.

    Args:
        connection: the database to fill.
        databases: where to look, the best first; those that do not exist are passed over.
        tables: tables that must not be lost.
        derived: tables copied only where their columns are today's.

    Raises:
        LayoutChanged: a table that must not be lost has other columns than its contract.
        WarehouseError: databases exist and none can be read.
    """
    found = [path for path in databases if path.exists()]
    if not found or not (tables or derived):
        return
    _attach_first(connection, found)
    stored, ours = columns_of(connection, "old"), columns_of(connection)
    for table in (*tables, *derived):
        if table not in stored:
            continue
        if stored[table] == ours[table]:
            connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM old.{table}")
        elif table in tables:
            raise LayoutChanged(
                f"{table} cannot be carried over: its contract has other columns than the rows of "
                "the old database. Nothing was changed; restore the version of this program that "
                "wrote them"
            )
    connection.execute("DETACH old")
    refresh_all_blocks(connection)


def _attach_first(connection: duckdb.DuckDBPyConnection, databases: Sequence[Path]) -> None:
    problems = []
    for path in databases:
        try:
            connection.execute(f"ATTACH {_quoted(path)} AS old (READ_ONLY)")
            return
        except duckdb.Error as error:
            problems.append(f"{path}: {str(error).splitlines()[0]}")
    raise WarehouseError(
        f"no earlier database can be read ({'; '.join(problems)}), and what was issued and decided "
        "lies only there. Restore one of them, or move them away to rebuild without"
    )


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
