"""Feature rows as known at their decision instants, and the returns that followed."""

from __future__ import annotations

import dagster as dg
import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.faults import make_each
from cbi_pipeline.defs.knowledge import feature_set, followed_series
from cbi_pipeline.defs.pipeline import Pipeline
from cbi_pipeline.defs.records import RECORDS

ROW = dg.AssetKey(["features", "row"])
TARGET = dg.AssetKey(["features", "target"])

# Sessions in the overview picture; a longer record would be too fine to see.
PICTURED = 750


@dg.asset(
    key=ROW,
    deps=[dg.AssetKey(["market", "session"]), *RECORDS],
    group_name="features",
    kinds={"duckdb", "polars"},
    pool="warehouse",
    metadata=metadata.definition("features.row"),
)
def row(pipeline: dg.ResourceParam[Pipeline]) -> dg.MaterializeResult[None]:
    """One row per commodity and session as known at its decision instant, built once."""
    from cbi_pipeline.features import build_rows_of

    catalogue = pipeline.catalogue
    chosen = feature_set(catalogue)
    with pipeline.warehouse.read() as store:
        prices = store.table("market.session")
        observations = store.table(
            "raw.observation", "series_id = ANY(?)", [followed_series(catalogue)]
        )
        existing = store.table("features.row", "feature_set = ?", [chosen.name])

    def make(commodity: Commodity) -> pl.DataFrame:
        return build_rows_of(
            commodity,
            prices,
            observations,
            catalogue,
            chosen,
            pipeline.newest_as_of(),
            existing,
            at_sight=pipeline.settings.profile != "live",
        )

    fresh = pl.concat([existing.clear(), *make_each(pipeline, "features", make).values()])
    pipeline.add({"features.row": fresh})
    rows = pl.concat([existing, fresh])
    return dg.MaterializeResult(
        metadata={
            "rows": len(rows),
            "new rows": len(fresh),
            "ready": int(rows["ready"].sum()),
            "newest": metadata.table(newest(rows)),
            **pictures(rows, pipeline),
        }
    )


@dg.asset(
    key=TARGET,
    deps=[ROW],
    group_name="features",
    kinds={"duckdb", "polars"},
    pool="warehouse",
    metadata=metadata.definition("features.target"),
)
def target(pipeline: dg.ResourceParam[Pipeline]) -> dg.MaterializeResult[None]:
    """Log returns from each row's session to the sessions ahead, once their prices are public."""
    from cbi_pipeline.features import build_targets

    chosen = feature_set(pipeline.catalogue)
    with pipeline.warehouse.read() as store:
        prices = store.table("market.session")
        rows = store.table("features.row", "feature_set = ?", [chosen.name])
        existing = store.table("features.target", "feature_set = ?", [chosen.name])

    def make(commodity: Commodity) -> pl.DataFrame:
        alone = pipeline.catalogue.model_copy(update={"commodities": (commodity,)})
        return build_targets(prices, rows, alone, pipeline.newest_as_of(), existing)

    fresh = pl.concat([existing.clear(), *make_each(pipeline, "targets", make).values()])
    pipeline.add({"features.target": fresh})
    counts = pl.concat([existing, fresh]).group_by("commodity", "horizon").len("targets")
    return dg.MaterializeResult(
        metadata={
            "rows": len(existing) + len(fresh),
            "new rows": len(fresh),
            "by horizon": metadata.table(counts.sort("commodity", "horizon")),
        }
    )


def newest(rows: pl.DataFrame) -> pl.DataFrame:
    """The last row of each commodity."""
    return (
        rows.sort("session")
        .group_by("commodity", maintain_order=True)
        .agg(pl.col("session", "decision_at", "price", "assumed").last())
        .sort("commodity")
    )


def pictures(rows: pl.DataFrame, pipeline: Pipeline) -> dict[str, dg.MarkdownMetadataValue]:
    """Which features each commodity's newest rows hold, and how old each release group is."""
    from cbi_pipeline.report import charts

    chosen, drawn = feature_set(pipeline.catalogue), {}
    for commodity in pipeline.catalogue.commodities:
        own = rows.filter(pl.col("commodity") == commodity.id).sort("session").tail(PICTURED)
        if own.is_empty():
            continue

        def draw(own: pl.DataFrame = own, name: str = commodity.name) -> bytes:
            figure = charts.feature_overview(
                own["session"].to_list(),
                chosen.features,
                np.array(own["mask"].to_list(), dtype=bool),
                chosen.groups,
                np.array(own["ages"].to_list(), dtype=np.float32),
            )
            return charts.png(figure, title=name)

        drawn[f"features of {commodity.id}"] = metadata.drawing(draw, commodity.name)
    return drawn
