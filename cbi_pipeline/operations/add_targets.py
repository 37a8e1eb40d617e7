"""Adding the returns that became public since the last night."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.operations.faults import make_each
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import load_origins


@dataclass(frozen=True)
class TargetsAdded:
    """What is there now.

    Attributes:
        every: all rows of ``features.target``.
        added: how many of them are new.
    """

    every: pl.DataFrame
    added: int


def add_targets(pipeline: Pipeline) -> TargetsAdded:
    """Add the targets public by now; where one commodity fails the others are added."""
    from cbi_pipeline.features import build_targets

    with pipeline.warehouse.read() as store:
        prices = store.table("market.session")
        rows = load_origins(store, pipeline)
        existing = store.table("features.target")

    def make(commodity: Commodity) -> pl.DataFrame:
        alone = pipeline.catalogue.model_copy(update={"commodities": (commodity,)})
        return build_targets(prices, rows, alone, pipeline.newest_as_of(), existing)

    fresh = pl.concat([existing.clear(), *make_each(pipeline, "targets", make).values()])
    pipeline.add({"features.target": fresh})
    return TargetsAdded(pl.concat([existing, fresh]), len(fresh))
