"""Schemas, tables and views of a database file, made from the contracts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import duckdb

from cbi_pipeline.warehouse._commits import COMMITS_DDL, mark_commit
from cbi_pipeline.warehouse._errors import LayoutChanged
from cbi_pipeline.warehouse._state_blocks import STATE_BLOCKS_DDL, refresh_all_blocks
from cbi_pipeline.warehouse._views import PUB_VIEWS
from data_contracts import CONTRACTS, Contract
from data_contracts.core import duckdb_type

_META = (
    "CREATE TABLE IF NOT EXISTS meta.layout (hash VARCHAR NOT NULL)",
    COMMITS_DDL,
    STATE_BLOCKS_DDL,
)


def lay_out(connection: duckdb.DuckDBPyConnection) -> None:
    """Create whatever is missing; write nothing when the layout is today's.

    Raises:
        LayoutChanged: a stored table has other columns than its contract.
    """
    if _stored_hash(connection) == layout_hash():
        return
    connection.execute("BEGIN TRANSACTION")
    for statement in _statements():
        connection.execute(statement)
    check_columns(connection)
    for name, select in PUB_VIEWS.items():
        connection.execute(f"CREATE OR REPLACE VIEW pub.{name} AS {select}")
    refresh_all_blocks(connection)
    connection.execute("DELETE FROM meta.layout")
    connection.execute("INSERT INTO meta.layout VALUES (?)", [layout_hash()])
    mark_commit(connection)
    connection.execute("COMMIT")


def require_layout(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a snapshot whose tables today's code cannot read.

    Raises:
        LayoutChanged: a table is missing or has other columns than its contract.
    """
    if _stored_hash(connection) != layout_hash():
        check_columns(connection)


def check_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """Compare every stored table with its contract.

    Raises:
        LayoutChanged: names the tables that differ.
    """
    stored = columns_of(connection)
    changed = [name for name, contract in CONTRACTS.items() if stored.get(name) != _types(contract)]
    if changed:
        raise LayoutChanged(
            f"the contracts of {', '.join(changed)} changed since the warehouse was made: "
            "run `cbi rebuild`"
        )


def columns_of(
    connection: duckdb.DuckDBPyConnection, database: str | None = None
) -> dict[str, dict[str, str]]:
    """Type of each column of each table of an attached database, by default the opened one."""
    stored: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(_COLUMNS, [database]).fetchall():
        stored.setdefault(table, {})[column] = kind
    return stored


def layout_hash() -> str:
    """Hash of every statement that makes the layout."""
    text = "\n".join([*_statements(), *(f"{name}:{view}" for name, view in PUB_VIEWS.items())])
    return hashlib.sha256(text.encode()).hexdigest()


_COLUMNS = """
    SELECT schema_name || '.' || table_name, column_name, data_type
    FROM duckdb_columns() WHERE database_name = coalesce(?, current_database()) AND NOT internal
    ORDER BY column_index"""


def _stored_hash(connection: duckdb.DuckDBPyConnection) -> str | None:
    known = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'meta' AND table_name = 'layout'"
    ).fetchall()
    rows = connection.execute("SELECT hash FROM meta.layout").fetchall() if known else []
    return rows[0][0] if rows else None


def _statements() -> Iterable[str]:
    schemas = {name.split(".")[0] for name in CONTRACTS} | {"meta", "pub"}
    yield from (f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in sorted(schemas))
    yield from _META
    yield from (contract.ddl() for contract in CONTRACTS.values())


def _types(contract: Contract) -> dict[str, str]:
    spelled = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
    plain = {name: duckdb_type(dtype) for name, dtype in contract.dtypes.items()}
    return {name: spelled.get(kind, kind) for name, kind in plain.items()}
