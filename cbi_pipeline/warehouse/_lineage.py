"""Where each value known at an instant came from."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from cbi_pipeline.warehouse._store import Store
from data_contracts.versioned import OBSERVATIONS, VERSIONED, VersionedTable


def lineage(store: Store, t: datetime, series: str, last: int) -> pl.DataFrame:
    """The newest periods, or bars, of a series as the public knew them, each with its response.

    Args:
        store: an open warehouse.
        t: the instant, with a time zone.
        series: series id.
        last: number of newest periods.

    Returns:
        period, value, unit, version, available_at, available_basis, seen_at, response_id, sha256,
        url and locator, sorted by period; of bars the start and the last price. sha256, that of the
        stored body, and url are null when the response is not in the ledger's table.

    Raises:
        ValueError: ``t`` has no time zone.
    """
    table = _table_of(store, series)
    rows = store.as_of(t, series=[series], table=table).tail(last)
    stamps = rows.select("version", "available_at", "available_basis")
    versions = pl.concat([table.select_sizes(rows), stamps], how="horizontal")
    source = store.query(
        f"""
        SELECT o.{table.time} AS period, o.version, s.unit, o.seen_at, o.response_id, r.sha256,
            r.url, o.locator
        FROM {table.name} o
        JOIN ref.series s USING (series_id)
        LEFT JOIN ledger.response r USING (response_id)
        WHERE o.series_id = ?""",
        [series],
    )
    traced = versions.join(source, on=["period", "version"], how="left", maintain_order="left")
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


def _table_of(store: Store, series: str) -> VersionedTable:
    for table in VERSIONED:
        rows = store.query(f"SELECT 1 FROM {table.name} WHERE series_id = ? LIMIT 1", [series])
        if len(rows):
            return table
    return OBSERVATIONS
