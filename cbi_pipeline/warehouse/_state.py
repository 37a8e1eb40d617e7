"""The state: one hash of everything the public could know of some series at an instant.

A canonical row is (period, available_at in microseconds, bits of the value, status) of a version
that was, at some instant, the newest one publicly known. Rows are hashed per series and year, and
the block hashes, sorted and with each series' unit, make the state. When we saw a version, how
often, in which order and from which response leaves no trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

import duckdb
import numpy as np
import polars as pl

from cbi_pipeline.warehouse._connection import fetch

BLOCK = ["series_id", "year"]

_CANONICAL = np.dtype(
    [("period", "<i4"), ("available_at", "<i8"), ("bits", "<i8"), ("status", "u1")]
)
_STATUS_CODES = {"value": 0, "missing": 1, "withheld": 2, "withdrawn": 3}


class Block(NamedTuple):
    """Hash of the canonical rows of one series in one year."""

    series_id: str
    year: int
    digest: str


def state(connection: duckdb.DuckDBPyConnection, as_of: datetime, series: Collection[str]) -> str:
    """The state of ``series`` as of an instant; see the module's first lines.

    Raises:
        ValueError: a series with observations has no row in ``ref.series``.
    """
    rows = fetch(
        connection,
        """
        SELECT series_id, period, version, available_at, value, status FROM raw.observation
        WHERE available_at <= ? AND series_id = ANY(?)""",
        [as_of, list(series)],
    )
    units = dict(connection.execute("SELECT series_id, unit FROM ref.series").fetchall())
    return digest(blocks(rows), units)


def digest(hashed: Iterable[Block], units: dict[str, str]) -> str:
    """Combine block hashes, in any order, into the state.

    Raises:
        ValueError: a block's series has no unit.
    """
    lines = []
    for block in sorted(hashed):
        if block.series_id not in units:
            raise ValueError(
                f"{block.series_id} has observations but no row in ref.series, so its unit is "
                "unknown: write ref.series first"
            )
        lines.append(f"{block.series_id}\t{units[block.series_id]}\t{block.year}\t{block.digest}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def blocks(rows: pl.DataFrame) -> list[Block]:
    """Hash the canonical rows of each series and year.

    Args:
        rows: versions in any order: series_id, period, version, available_at, value, status.
    """
    canonical = visible(rows).with_columns(year=pl.col("period").dt.year())
    if canonical.is_empty():
        return []
    packed = _pack(canonical)
    starts = canonical.select(pl.struct(BLOCK).rle_id()).to_series().to_numpy()
    firsts = np.flatnonzero(np.diff(starts, prepend=-1))
    ends = [*firsts[1:].tolist(), len(packed)]
    names = canonical.select(BLOCK)[firsts].iter_rows()
    return [
        Block(series_id, year, hashlib.sha256(packed[first:end].tobytes()).hexdigest())
        for (series_id, year), first, end in zip(names, firsts.tolist(), ends, strict=True)
    ]


def visible(rows: pl.DataFrame) -> pl.DataFrame:
    """Versions that were the newest known at some instant, sorted by series, period and instant.

    A version is hidden when a later one became public no later than itself.
    """
    ordered = rows.sort("series_id", "period", "version")
    cell = pl.struct("series_id", "period").rle_id()
    if not ordered.select((cell == cell.shift()).any()).item():
        return ordered
    later = pl.col("available_at").shift(-1).reverse().cum_min().reverse()
    shown = (pl.col("available_at") < later.over(cell)).fill_null(value=True)
    return ordered.filter(shown)


def _pack(canonical: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    packed = np.zeros(len(canonical), dtype=_CANONICAL)
    packed["period"] = canonical["period"].to_physical().to_numpy()
    packed["available_at"] = canonical["available_at"].to_physical().to_numpy()
    packed["bits"] = canonical["value"].reinterpret(dtype=pl.Int64).fill_null(0).to_numpy()
    packed["status"] = canonical["status"].replace_strict(_STATUS_CODES, return_dtype=pl.UInt8)
    return packed
