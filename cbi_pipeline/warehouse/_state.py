"""The state: one hash of everything the public could know of some series at an instant.

A canonical row is (period, available_at in microseconds, bits of the value, status) of a version
that was, at some instant, the newest one publicly known; of a bar (ts_event in microseconds,
available_at, its four prices and volume, status). Rows are hashed per series and year, and
the block hashes, sorted and with each series' unit, make the state. When we saw a version, how
often, in which order and from which response leaves no trace.

Pure polars and numpy: frames in, hashes out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import polars as pl

from data_contracts.versioned import OBSERVATIONS, VersionedTable

BLOCK = ("series_id", "year")
_STATUS_CODES = {"value": 0, "missing": 1, "withheld": 2, "withdrawn": 3}


def state_columns(table: VersionedTable) -> list[str]:
    """What of a version the state follows from."""
    return [*table.cell, "version", "available_at", *table.content]


def digest(blocks: pl.DataFrame, units: Mapping[str, str]) -> str:
    """Combine block hashes, in any order, into the state.

    Args:
        blocks: rows of :func:`hash_blocks`, at least series_id, year and digest.
        units: unit of each series.

    Raises:
        ValueError: a block's series has no unit.
    """
    lines = []
    for series_id, year, block in sorted(blocks.select(*BLOCK, "digest").iter_rows()):
        if series_id not in units:
            raise ValueError(
                f"{series_id} has observations but no row in ref.series, so its unit is "
                "unknown: write ref.series first"
            )
        lines.append(f"{series_id}\t{units[series_id]}\t{year}\t{block}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def hash_blocks(rows: pl.DataFrame, table: VersionedTable = OBSERVATIONS) -> pl.DataFrame:
    """Hash the canonical rows of each series and year.

    Args:
        rows: versions in any order (:func:`state_columns`), whole cells.
        table: table that they are of.

    Returns:
        series_id, year, digest, and the oldest and newest available_at of the block's rows.
    """
    canonical = select_visible(rows, table).with_columns(year=table.day.dt.year())
    blocks = canonical.group_by(BLOCK, maintain_order=True).agg(
        oldest=pl.col("available_at").min(),
        newest=pl.col("available_at").max(),
        rows=pl.len(),
    )
    packed = _pack(canonical, table)
    bounds = [0, *blocks["rows"].cum_sum()]
    digests = [
        hashlib.sha256(packed[first:end].tobytes()).hexdigest() for first, end in pairwise(bounds)
    ]
    return blocks.with_columns(digest=pl.Series(digests, dtype=pl.String)).drop("rows")


def select_visible(rows: pl.DataFrame, table: VersionedTable) -> pl.DataFrame:
    """Versions that were the newest known at some instant, sorted by cell and instant.

    A version is hidden when a later one became public no later than itself.
    """
    ordered = rows.sort(*table.cell, "version")
    cell = pl.struct(table.cell).rle_id()
    hidden_by_next = (cell == cell.shift(-1)) & (
        pl.col("available_at") >= pl.col("available_at").shift(-1)
    )
    cells = ordered.select(cell=cell, out_of_order=hidden_by_next.fill_null(value=False))
    # Hardly ever: the instants of a cell rise with its versions, and then all are visible.
    disordered = cells.filter("out_of_order")["cell"].unique()
    if disordered.is_empty():
        return ordered
    instants = ordered.select(cells["cell"], "available_at")
    later = pl.col("available_at").shift(-1).reverse().cum_min().reverse().over("cell")
    doubtful = pl.col("cell").is_in(disordered.implode())
    shown = ~doubtful | (pl.col("available_at") < later).fill_null(value=True)
    return ordered.filter(instants.select(shown).to_series())


def _pack(
    canonical: pl.DataFrame, table: VersionedTable
) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    layout = [
        (table.time, "<i8" if table.is_timed else "<i4"),
        *((name, "<i8") for name in ("available_at", *table.measured)),
        ("status", "u1"),
    ]
    packed = np.zeros(len(canonical), dtype=np.dtype(layout))
    for name in (table.time, "available_at"):
        packed[name] = canonical[name].to_physical().to_numpy()
    for name in table.measured:
        packed[name] = canonical[name].reinterpret(dtype=pl.Int64).fill_null(0).to_numpy()
    packed["status"] = canonical["status"].replace_strict(_STATUS_CODES, return_dtype=pl.UInt8)
    return packed
