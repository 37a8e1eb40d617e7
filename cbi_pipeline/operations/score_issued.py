"""How issued forecasts turned out."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cbi_pipeline.operations.pipeline import Pipeline
from data_contracts.issued import FORECAST


@dataclass(frozen=True)
class Scored:
    """What is known of how it went.

    Attributes:
        outcomes: rows of ``issued.score``.
        changed: how many of them are new or were scored otherwise.
        live: rows of ``issued.forecast`` that were said live and count.
        targets: ``features.target`` lines public by now, all versions.
    """

    outcomes: pl.DataFrame
    changed: int
    live: pl.DataFrame
    targets: pl.DataFrame


def score_issued(pipeline: Pipeline) -> Scored:
    """Score every issued forecast whose target is public, by its first and its latest price."""
    from cbi_pipeline.issued import score, select_counted, select_uncounted

    as_of = pipeline.newest_as_of()
    with pipeline.warehouse.read() as store:
        # Without what is longest and says nothing of the forecast: the ledger only ever grows.
        forecasts = store.query(
            "SELECT * EXCLUDE (state, prev_hash, row_hash) FROM issued.forecast "
            f"ORDER BY {', '.join(FORECAST.key)}"
        )
        outcomes = score(forecasts, store.table("market.session"), as_of)
        void = select_uncounted(store.table("issued.score"), forecasts)
        targets = store.table("features.target", "available_at <= ?", [as_of])
    with pipeline.warehouse.write() as store, store.transaction():
        store.remove("issued.score", void)
        changed = store.replace("issued.score", outcomes)
    pipeline.warehouse.publish()
    return Scored(
        outcomes, changed, select_counted(forecasts).filter(pl.col("track") == "live"), targets
    )
