"""What differs between rows as they are stored and as they are built anew, in words."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def describe_difference(stored: pl.DataFrame, anew: pl.DataFrame, key: Sequence[str]) -> str | None:
    """The first cell, by key, that differs, and in how many rows any does; None where none does.

    Args:
        stored: rows as they are stored.
        anew: rows of the same columns; those whose key is not stored do not count.
        key: columns that identify a row, those that name it for a reader.
    """
    both = stored.join(anew.with_columns(there=True), on=key, how="left", suffix=" anew")
    columns = [name for name in stored.columns if name not in key]
    differs = [pl.col(name).ne_missing(pl.col(f"{name} anew")) for name in columns]
    other = both.filter(pl.any_horizontal(pl.col("there").is_null(), *differs)).sort(key)
    if other.is_empty():
        return None
    row = other.row(0, named=True)
    named = " ".join(str(row[name]) for name in key)
    count = f"{len(other)} of {len(stored)} rows built anew differ, e.g. "
    if row["there"] is None:
        return f"{count}there is none of {named} any more"
    name = next(name for name in columns if row[name] != row[f"{name} anew"])
    return f"{count}{name} of {named} is {_word(row[f'{name} anew'])}, it was {_word(row[name])}"


def _word(value: object) -> str:
    if value is None:
        return "absent"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
