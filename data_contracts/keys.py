"""Whether keys are unique, at the price of a comparison where rows come in order."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def keys_are_unique(frame: pl.DataFrame, key: Sequence[str]) -> bool:
    """Whether no two rows share a key.

    Rows that rise strictly, by the key's columns in either order, cannot repeat one; deliveries
    come so, and comparing neighbours costs a fraction of hashing every key.

    Args:
        frame: any rows; nulls count as equal to each other.
        key: columns of the key.
    """
    if len(frame) < 2:
        return True
    rising = [_rises(key), _rises([*reversed(key)])]
    if any(frame.select(is_rising).item() for is_rising in rising):
        return True
    return not frame.select(key).is_duplicated().any()


def _rises(key: Sequence[str]) -> pl.Expr:
    """Every row's key is greater than the one before; null when a key holds null."""
    greater = pl.lit(value=False)
    for name in reversed(key):
        before, here = pl.col(name).shift(), pl.col(name)
        greater = (here > before) | ((here == before) & greater)
    return greater.slice(1).all(ignore_nulls=False).fill_null(value=False)
