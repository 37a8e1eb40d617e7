"""Which recipe the decisions make champion."""

from __future__ import annotations

import polars as pl

CROWNS = ("first", "promote", "rollback")


def champion(decisions: pl.DataFrame) -> str | None:
    """Recipe of the newest decision that crowned one; None before the first.

    The archive's clock stands still, so among equal instants the founding decision counts as the
    oldest.
    """
    crowned = decisions.sort(
        "decided_at", pl.col("verdict") != "first", maintain_order=True
    ).filter(pl.col("verdict").is_in(CROWNS))
    return crowned["recipe"][-1] if len(crowned) else None
