"""Replacing the database by one that was built beside it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import duckdb

from cbi_pipeline.durable import sync
from cbi_pipeline.warehouse._columns import columns_of
from cbi_pipeline.warehouse._commits import read_commit
from cbi_pipeline.warehouse._damage import first_line, scan
from cbi_pipeline.warehouse._errors import DatabaseDamaged, LayoutChanged
from cbi_pipeline.warehouse._migrations import migrate, pending_migrations
from cbi_pipeline.warehouse._publication import clear_the_way
from cbi_pipeline.warehouse._state_blocks import refresh_all_blocks
from data_contracts import CONTRACTS
from data_contracts.features import ORIGIN


def copy_tables(
    connection: duckdb.DuckDBPyConnection,
    databases: Sequence[Path],
    tables: Collection[str],
    derived: Collection[str],
) -> None:
    """Copy tables, by column name, each from the first of some databases that has it readable.

    Args:
        connection: the database to fill.
        databases: where to look, the best first; those that do not exist are passed over.
        tables: tables that must not be lost.
        derived: tables copied only where their columns are today's.

    Raises:
        LayoutChanged: a table that must not be lost has other columns than its contract.
        LayoutTooNew: a newer version of the program wrote a database.
        DatabaseDamaged: a table that must not be lost can be read in none of them.
    """
    wanted = [*tables, *derived]
    problems: dict[str, str] = {}
    for path in filter(Path.exists, databases):
        if not wanted:
            break
        copy = path.with_name(f"{path.name}.migrating")
        try:
            source = _migrate(path, copy)
            left = _copy_from(connection, source, wanted, tables, problems)
            wanted = [table for table in wanted if table in left]
        except duckdb.Error as error:
            problems |= {table: f"{path}: {first_line(error)}" for table in wanted}
        finally:
            remove_database(copy)
    for table in wanted:
        if table in problems and table in tables:
            raise DatabaseDamaged(
                f"{table} cannot be read from any earlier database ({problems[table]}); nothing "
                "was changed: put back a copy of that file"
            )
    refresh_all_blocks(connection)


def find_unreadable(databases: Sequence[Path], tables: Collection[str]) -> dict[str, str]:
    """Those of some tables that stand in some database and are readable in none, and why."""
    wanted, problems = set(tables), dict[str, str]()
    for path in filter(Path.exists, databases):
        try:
            with duckdb.connect(str(path), read_only=True) as connection:
                stored = columns_of(connection)
                for table in sorted(wanted & stored.keys()):
                    try:
                        scan(connection, [table])
                        wanted.remove(table)
                    except duckdb.Error as error:
                        problems[table] = f"{path}: {first_line(error)}"
        except duckdb.Error as error:
            problems |= {table: f"{path}: {first_line(error)}" for table in wanted}
    return {table: why for table, why in problems.items() if table in wanted}


def newest_first(databases: Sequence[Path]) -> list[Path]:
    """Databases by their running number, the newest first; those that cannot be read last."""
    return sorted(databases, key=_sequence, reverse=True)


def newest_transaction(databases: Sequence[Path]) -> int:
    """Highest number of an ingestion in those of some databases that can be read; 0 without one."""
    newest = 0
    for path in filter(Path.exists, databases):
        with suppress(duckdb.Error), duckdb.connect(str(path), read_only=True) as connection:
            rows = connection.execute("SELECT max(txn_id) FROM ledger.txn").fetchall()
            newest = max(newest, rows[0][0] or 0)
    return newest


def _sequence(database: Path) -> int:
    with (
        suppress(duckdb.Error),
        duckdb.connect(str(database), read_only=True) as connection,
    ):
        return read_commit(connection)[0]
    return -1


def _copy_from(
    connection: duckdb.DuckDBPyConnection,
    database: Path,
    wanted: Collection[str],
    tables: Collection[str],
    problems: dict[str, str],
) -> list[str]:
    """Copy what can be read; gives what is still wanted, and notes why."""
    connection.execute(f"ATTACH {_quote(database)} AS old (READ_ONLY)")
    left = []
    try:
        stored, ours = columns_of(connection, "old"), columns_of(connection)
        for table in wanted:
            if table not in stored:
                left.append(table)
            elif stored[table] == ours[table]:
                try:
                    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM old.{table}")
                    if table == ORIGIN.table:
                        _copy_groups(connection)
                except duckdb.Error as error:
                    problems[table] = f"{database}: {first_line(error)}"
                    left.append(table)
            elif table in tables:
                raise LayoutChanged(
                    f"{table} cannot be carried over: its contract has other columns than the rows "
                    "of the old database. Nothing was changed; restore the version of this program "
                    "that wrote them"
                )
    finally:
        connection.execute("DETACH old")
    return left


def _copy_groups(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy the tables of feature groups, whose columns their declarations decide."""
    tables = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() "
        "WHERE database_name = 'old' AND schema_name = 'features'"
    ).fetchall()
    for (table,) in tables:
        if table not in CONTRACTS:
            connection.execute(f"CREATE OR REPLACE TABLE {table} AS FROM old.{table}")


def _migrate(database: Path, copy: Path) -> Path:
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
    for path in (database, _log(database)):
        clear_the_way(path)
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


def _quote(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
