"""What DuckDB says of a file that it cannot read or write, as one line that names the repair."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from cbi_pipeline.warehouse._errors import DatabaseDamaged, DatabaseRefused, WarehouseError

#: Errors that say something of the file or the machine; any other is a fault of whoever asked.
_OF_THE_FILE = (
    duckdb.IOException,
    duckdb.SerializationException,
    duckdb.InternalException,
    duckdb.FatalException,
    duckdb.OutOfMemoryException,
)
#: Bytes before the first block.
_HEADERS = 3 * 4096
_OF_THE_MACHINE = (
    *("No space left", "File too large", "quota exceeded", "Permission denied"),
    *("Read-only file system", "Too many open files"),
)


@contextmanager
def describe_errors(path: Path) -> Iterator[None]:
    """Around all that is done with an open database: its errors come out as our own.

    Raises:
        DatabaseDamaged: the file cannot be read; names it and its repair.
        DatabaseRefused: the system gave no room, no memory or no access.
    """
    try:
        yield
    except duckdb.Error as error:
        if isinstance(error, WarehouseError) or not _is_of_the_file(error):
            raise
        raise describe(path, error) from error


def _is_of_the_file(error: duckdb.Error) -> bool:
    # From 2.0 on a wrong checksum is an error of no class of its own.
    return isinstance(error, _OF_THE_FILE) or "Corrupt database file" in str(error)


def describe(path: Path, error: duckdb.Error) -> DatabaseDamaged | DatabaseRefused:
    """An error of a database file as our own."""
    why = first_line(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return DatabaseRefused(
            f"{path} needs more memory than there is ({why}); end other programs and run the same "
            "command again"
        )
    if any(words in str(error) for words in _OF_THE_MACHINE):
        return DatabaseRefused(
            f"{path} cannot be used ({why}); mend that and run the same command again"
        )
    return DatabaseDamaged(
        f"{path} is damaged ({why}): run `cbi rebuild`, which makes it again from the ledger"
    )


def first_line(error: duckdb.Error) -> str:
    """What a database error says, without the class before it and the lines after it."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line.partition(": ")[2] or line


def require_length(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a file that ends before its last used block, which may hold what is seldom read.

    Raises:
        DatabaseDamaged: it does.
    """
    path, size, blocks, used = connection.execute(
        "SELECT d.path, s.block_size, s.total_blocks, s.used_blocks FROM duckdb_databases() d, "
        "pragma_database_size() s WHERE d.database_name = current_database() "
        "AND s.database_name = d.database_name"
    ).fetchall()[0]
    length = Path(path).stat().st_size
    if length >= _HEADERS + size * blocks:
        return
    # DuckDB counts free blocks at the end that it never wrote.
    needed = _HEADERS + size * max(used, _last_block(connection) + 1)
    if length < needed:
        raise DatabaseDamaged(
            f"{path} is damaged (it has {length:,} of {needed:,} bytes): run `cbi rebuild`, which "
            "makes it again from the ledger"
        )


def _last_block(connection: duckdb.DuckDBPyConnection) -> int:
    """The highest number of a block with values or with what DuckDB notes of them."""
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() "
        "WHERE database_name = current_database()"
    ).fetchall()
    query = "SELECT max(block_id) FROM pragma_metadata_info()" + "".join(
        f" UNION ALL SELECT max(greatest(block_id, list_max(additional_block_ids))) "
        f"FROM pragma_storage_info('{schema}.{table}')"
        for schema, table in tables
    )
    return max(block or 0 for (block,) in connection.execute(query).fetchall())


def scan(connection: duckdb.DuckDBPyConnection, tables: Collection[str]) -> None:
    """Read every value of some tables, which checks the checksum of every block they lie in.

    Raises:
        duckdb.Error: one cannot be read.
    """
    for table in tables:
        connection.execute(f"SELECT bit_xor(hash(t)) FROM {table} t").fetchall()
