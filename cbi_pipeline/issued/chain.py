"""The hash chain of issued forecasts.

A row's canonical form is the JSON array

    ["issued.forecast/1", sequence, track, as_of, commodity, horizon, quantile, model_version, ...]

of its columns in the contract's order without ``prev_hash`` and ``row_hash``; JSON is written
without spaces and in ASCII. Integers and texts stand as JSON, a float is the sixteen hex digits of
its IEEE-754 bits (big-endian), an instant its microseconds since 1970 UTC, a date ``YYYY-MM-DD``.
``row_hash = sha256(prev_hash + canonical form)`` in lower-case hex over the ASCII bytes of both.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from data_contracts.issued import FORECAST

GENESIS = "0" * 64
Row = Mapping[str, Any]

_TAG = "issued.forecast/1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HASHED = [name for name in FORECAST.dtypes if name not in ("prev_hash", "row_hash")]


def encode_row(row: Row) -> str:
    """The canonical form of a row: what its hash covers."""
    return json.dumps([_TAG, *(_encode(row[name]) for name in _HASHED)], separators=(",", ":"))


def row_hash(row: Row, prev_hash: str) -> str:
    """Hash that links a row to the one before."""
    return hashlib.sha256((prev_hash + encode_row(row)).encode("ascii")).hexdigest()


def chain(rows: pl.DataFrame, last_hash: str = GENESIS, last_sequence: int = 0) -> pl.DataFrame:
    """Number and link rows onto the chain that ends in ``last_hash``.

    Args:
        rows: frame of :func:`cbi_pipeline.issued.rows`, in the order to be chained.
        last_hash: hash of the newest row so far, 64 zeros for an empty chain.
        last_sequence: its running number, 0 for an empty chain.

    Returns:
        Rows of issued.forecast, complete.
    """
    linked: list[dict[str, Any]] = []
    for sequence, row in enumerate(rows.iter_rows(named=True), start=last_sequence + 1):
        numbered = {**row, "sequence": sequence, "prev_hash": last_hash}
        last_hash = row_hash(numbered, last_hash)
        linked.append({**numbered, "row_hash": last_hash})
    return pl.DataFrame(linked, schema=FORECAST.dtypes)


def describe(row: Row) -> str:
    """A row by its number and what it forecasts, for messages."""
    return (
        f"row {row['sequence']} ({row['track']} {row['commodity']} as of {row['as_of']:%Y-%m-%d}, "
        f"{row['horizon']} sessions, quantile {row['quantile']:g}, model {row['model_version']})"
    )


def faults(rows: Iterable[Row]) -> list[str]:
    """Every missing, repeated or changed row of a chain, in words; empty when it is whole.

    Args:
        rows: rows in the order of their running number.
    """
    problems: list[str] = []
    last, last_hash = 0, GENESIS
    for row in rows:
        problems += _gap(last, row)
        if row_hash(row, row["prev_hash"]) != row["row_hash"]:
            problems.append(f"{describe(row)} was changed: its content does not give its hash")
        if row["sequence"] == last + 1 and row["prev_hash"] != last_hash:
            problems.append(
                f"{describe(row)} does not follow row {last}: the hash it names differs"
            )
        last, last_hash = row["sequence"], row["row_hash"]
    return problems


def _gap(last: int, row: Row) -> list[str]:
    sequence = row["sequence"]
    if sequence <= last:
        return [f"{describe(row)} stands twice"]
    return [
        f"row {absent} is missing before {describe(row)}" for absent in range(last + 1, sequence)
    ]


def _encode(value: object) -> str | int:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, date):
        return value.isoformat()
    assert isinstance(value, str | int), f"no canonical form for {value!r}"
    return value
