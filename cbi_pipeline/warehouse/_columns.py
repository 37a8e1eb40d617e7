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
