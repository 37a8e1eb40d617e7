"""Schemas, tables and views of a database file, made from the contracts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import duckdb

from cbi_pipeline.warehouse._columns import check_columns
from cbi_pipeline.warehouse._commits import COMMITS_DDL, mark_commit
from cbi_pipeline.warehouse._migrations import (
    MIGRATIONS_DDL,
    migrate,
    note_migrations,
    pending_migrations,
)
from cbi_pipeline.warehouse._state_blocks import STATE_BLOCKS_DDL, refresh_all_blocks
from cbi_pipeline.warehouse._views import VIEWS
from data_contracts import CONTRACTS

_META = (
    "CREATE TABLE IF NOT EXISTS meta.layout (hash VARCHAR NOT NULL)",
    COMMITS_DDL,
    STATE_BLOCKS_DDL,
    MIGRATIONS_DDL,
)


def lay_out(connection: duckdb.DuckDBPyConnection) -> None:
    """Create whatever is missing, migrate what is older; write nothing when the layout is today's.

    Raises:
        LayoutChanged: a stored table has other columns than its contract, and no migration.
        LayoutTooNew: a newer version of the program wrote the database.
    """
    if is_todays(connection):
        return
    connection.execute("BEGIN TRANSACTION")
    migrate(connection)
    for statement in _statements():
        connection.execute(statement)
    check_columns(connection)
    for name, select in VIEWS.items():
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS {select}")
    refresh_all_blocks(connection)
    note_migrations(connection)
    connection.execute("DELETE FROM meta.layout")
    connection.execute("INSERT INTO meta.layout VALUES (?)", [layout_hash()])
    mark_commit(connection)
    connection.execute("COMMIT")


def is_todays(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether tables and views are exactly those that this version makes."""
    return _stored_hash(connection) == layout_hash() and not pending_migrations(connection)


def require_readable(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a snapshot whose tables today's code cannot read.

    Raises:
        LayoutChanged: a table is missing or has other columns than its contract.
        LayoutTooNew: a newer version of the program wrote it.
    """
    if not is_todays(connection):
        check_columns(connection)


def layout_hash() -> str:
    """Hash of every statement that makes the layout."""
    text = "\n".join([*_statements(), *(f"{name}:{view}" for name, view in VIEWS.items())])
    return hashlib.sha256(text.encode()).hexdigest()


def _stored_hash(connection: duckdb.DuckDBPyConnection) -> str | None:
    made = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'meta' AND table_name = 'layout'"
    ).fetchall()
    rows = connection.execute("SELECT hash FROM meta.layout").fetchall() if made else []
    return rows[0][0] if rows else None


def _statements() -> Iterable[str]:
    schemas = {name.split(".")[0] for name in CONTRACTS} | {"meta", "pub"}
    yield from (f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in sorted(schemas))
    yield from _META
    yield from (contract.ddl() for contract in CONTRACTS.values())
