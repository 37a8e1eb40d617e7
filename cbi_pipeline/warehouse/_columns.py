"""The columns that stored tables have, and those that their contracts ask for."""

from __future__ import annotations

import duckdb

from cbi_pipeline.warehouse._errors import LayoutChanged
from data_contracts import CONTRACTS, Contract
from data_contracts.core import duckdb_type

_COLUMNS = """
    SELECT schema_name || '.' || table_name, column_name, data_type
    FROM duckdb_columns() WHERE database_name = coalesce(?, current_database()) AND NOT internal
    ORDER BY column_index"""


def columns_of(
    connection: duckdb.DuckDBPyConnection, database: str | None = None
) -> dict[str, dict[str, str]]:
    """Type of each column, in order, of each table of an attached database or the opened one."""
    stored: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(_COLUMNS, [database]).fetchall():
        stored.setdefault(table, {})[column] = kind
    return stored


def widen(connection: duckdb.DuckDBPyConnection, schema: Contract) -> None:
    """Make the table of a contract, or add what it lacks of it, inside a transaction.

    The table of a feature group that a migration made has its columns without their constraints.
    """
    names = columns_of(connection).get(schema.table)
    if names is None:
        connection.execute(schema.ddl())
        return
    for name, dtype in schema.dtypes.items():
        if name not in names:
            kind = duckdb_type(dtype)
            connection.execute(f'ALTER TABLE {schema.table} ADD COLUMN "{name}" {kind}')
    for name in _nullable(connection, schema.table):
        if name in schema.dtypes and not schema.declared[name].nullable:
            connection.execute(f'ALTER TABLE {schema.table} ALTER COLUMN "{name}" SET NOT NULL')


def _nullable(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Columns of a table that may be null."""
    rows = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name || '.' || table_name = ? AND is_nullable ORDER BY column_index",
        [table],
    )
    return [name for (name,) in rows.fetchall()]


def list_columns(connection: duckdb.DuckDBPyConnection, schema: Contract) -> str | None:
    """A contract's columns for a SELECT, NULL where the table lacks one; None without a table."""
    names = columns_of(connection).get(schema.table)
    if names is None:
        return None
    return ", ".join(
        f'"{name}"' if name in names else f'NULL AS "{name}"' for name in schema.dtypes
    )


def check_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """Compare every stored table with its contract.

    Raises:
        LayoutChanged: names the tables that differ.
    """
    stored = columns_of(connection)
    # Rows are inserted by position, so the order counts as well.
    changed = [
        name
        for name, contract in CONTRACTS.items()
        if list(stored.get(name, {}).items()) != list(_types(contract).items())
    ]
    if changed:
        raise LayoutChanged(
            f"the contracts of {', '.join(changed)} changed since the warehouse was made: "
            "run `cbi rebuild`"
        )


def _types(contract: Contract) -> dict[str, str]:
    spelled = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
    plain = {name: duckdb_type(dtype) for name, dtype in contract.dtypes.items()}
    return {name: spelled.get(kind, kind) for name, kind in plain.items()}
