"""The running number of the content: what a snapshot is named after."""

from __future__ import annotations

import secrets
from pathlib import Path

import duckdb

COMMITS_DDL = (
    "CREATE TABLE IF NOT EXISTS meta.commit (sequence BIGINT NOT NULL, token VARCHAR NOT NULL)"
)


def mark_commit(connection: duckdb.DuckDBPyConnection) -> None:
    """Note, inside the running transaction, that the content is no longer what it was."""
    _put(connection, read_commit(connection)[0] + 1)


def renumber(connection: duckdb.DuckDBPyConnection, sequence: int) -> None:
    """Let a rebuilt database count on from where the published snapshots stand."""
    connection.execute("BEGIN TRANSACTION")
    _put(connection, sequence)
    connection.execute("COMMIT")


def read_commit(connection: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    """Running number of the content, and a token that tells apart two histories of one number."""
    rows = connection.execute("SELECT sequence, token FROM meta.commit").fetchall()
    return rows[0] if rows else (0, "")


def snapshot_name(sequence: int, token: str) -> str:
    """File name of the snapshot of one content."""
    return f"{sequence:08d}-{token}.duckdb"


def snapshot_sequence(path: Path) -> int:
    """Running number in a snapshot's file name."""
    return int(path.name.split("-")[0])


def _put(connection: duckdb.DuckDBPyConnection, sequence: int) -> None:
    connection.execute("DELETE FROM meta.commit")
    connection.execute("INSERT INTO meta.commit VALUES (?, ?)", [sequence, secrets.token_hex(4)])
