"""How many rows a feed has brought into the warehouse."""

from __future__ import annotations

from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.warehouse import NothingPublished

_TABLES = ("raw.observation", "raw.bar", "raw.statistic")


def count_raw_rows(pipeline: Pipeline, feed: str) -> int:
    """Rows of all versions that a feed's transactions wrote; none before the first."""
    written = " UNION ALL ".join(f"SELECT txn_id FROM {table}" for table in _TABLES)
    try:
        with pipeline.warehouse.read() as store:
            counted = store.query(
                f"SELECT count(*) AS n FROM ({written}) "
                "WHERE txn_id IN (SELECT txn_id FROM ledger.txn WHERE feed = ?)",
                [feed],
            )
    except NothingPublished:
        return 0
    return int(counted["n"][0])
