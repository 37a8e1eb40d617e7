"""Replacing the database by one that was built beside it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import duckdb

from cbi_pipeline.warehouse._columns import columns_of
from cbi_pipeline.warehouse._errors import LayoutChanged, WarehouseError
from cbi_pipeline.warehouse._migrations import migrate, pending_migrations
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
        LayoutTooNew: a newer version of the program wrote the database.
        WarehouseError: databases exist and none can be read.
    """
    present = [path for path in databases if path.exists()]
    if not present or not (tables or derived):
        return
    problems = []
    for path in present:
        copy = path.with_name(f"{path.name}.migrating")
        try:
            _copy_from(connection, _migrated(path, copy), tables, derived)
            break
        except duckdb.Error as error:
            problems.append(f"{path}: {str(error).splitlines()[0]}")
        finally:
            remove_database(copy)
    else:
        raise WarehouseError(
            f"no earlier database can be read ({'; '.join(problems)}), and what was issued and "
            "decided lies only there. Restore one of them, or move them away to rebuild without"
        )
    refresh_all_blocks(connection)


def newest_transaction(databases: Sequence[Path]) -> int:
    """Highest number of an ingestion in those of some databases that can be read; 0 without one."""
    newest = 0
    for path in filter(Path.exists, databases):
        with suppress(duckdb.Error), duckdb.connect(str(path), read_only=True) as connection:
            rows = connection.execute("SELECT max(txn_id) FROM ledger.txn").fetchall()
            newest = max(newest, rows[0][0] or 0)
    return newest


def _copy_from(
    connection: duckdb.DuckDBPyConnection,
    database: Path,
    tables: Collection[str],
    derived: Collection[str],
) -> None:
    """Copy all of the tables, or none."""
    connection.execute(f"ATTACH {_quoted(database)} AS old (READ_ONLY)")
    try:
        connection.execute("BEGIN TRANSACTION")
        _copy(connection, tables, derived)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("DETACH old")


def _copy(
    connection: duckdb.DuckDBPyConnection, tables: Collection[str], derived: Collection[str]
) -> None:
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


def _migrated(database: Path, copy: Path) -> Path:
    """The database, or a migrated copy of one of an earlier version."""
    with duckdb.connect(str(database), read_only=True) as stored:
        if not pending_migrations(stored):
            return database
    for of, to in ((database, copy), (_log(database), _log(copy))):
        if of.exists():
            shutil.copyfile(of, to)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("BEGIN TRANSACTION")
        try:
            migrate(connection)
        except LayoutChanged:
            # What stands in its tables decides which of them can be carried as they are.
            return database
        connection.execute("COMMIT")
    return copy


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
