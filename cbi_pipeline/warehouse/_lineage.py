"""Where each value known at an instant came from."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from cbi_pipeline.warehouse._store import Store


def lineage(store: Store, t: datetime, series: str, last: int) -> pl.DataFrame:
    """The newest periods of a series as the public knew them, each traced to its response.

    Args:
        store: an open warehouse.
        t: the instant, with a time zone.
        series: series id.
        last: number of newest periods.

    Returns:
        period, value, unit, version, available_at, available_basis, seen_at, response_id, sha256,
        url and locator, sorted by period. sha256, that of the stored body, and url are null when
        the response is not in the ledger's table.

    Raises:
        ValueError: ``t`` has no time zone.
    """
    known = store.as_of(t, series=[series]).tail(last)
    source = store.query(
        """
        SELECT o.period, o.version, s.unit, o.seen_at, o.response_id, r.sha256, r.url, o.locator
        FROM raw.observation o
        JOIN ref.series s USING (series_id)
        LEFT JOIN ledger.response r USING (response_id)
        WHERE o.series_id = ?""",
        [series],
    )
    traced = known.join(source, on=["period", "version"], how="left", maintain_order="left")
    return traced.select(
        "period",
        "value",
        "unit",
        "version",
        "available_at",
        "available_basis",
        "seen_at",
        "response_id",
        "sha256",
        "url",
        "locator",
    )
