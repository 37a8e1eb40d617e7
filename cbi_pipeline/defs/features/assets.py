"""Feature rows as known at their decision instants, and the returns that followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.plots import Plots
from cbi_pipeline.defs.records import depend_on_records
from cbi_pipeline.operations import unbrought_inputs
from cbi_pipeline.operations.add_targets import add_targets
from cbi_pipeline.operations.build_features import Built, build, store_rows
from cbi_pipeline.operations.pipeline import Pipeline

if TYPE_CHECKING:
    from cbi_pipeline.features import FeatureSet

ROW = dg.AssetKey(["features", "row"])
TARGET = dg.AssetKey(["features", "target"])

# Sessions in the overview picture; a longer record would be too fine to see.
PICTURED = 750


@dg.asset(
    key=ROW,
    deps=[dg.AssetKey(["market", "session"])],
    group_name="features",
    kinds={"duckdb", "polars"},
    pool="warehouse",
    metadata=metadata.definition("features.origin"),
)
def row(pipeline: dg.ResourceParam[Pipeline]) -> dg.MaterializeResult[None]:
    """One row per commodity and session as known at its decision instant, built once."""
    built = build(pipeline)
    store_rows(pipeline, built)
    pictured = pictures(built.every, built.feature_set, pipeline)
    return dg.MaterializeResult(metadata={**describe_rows(built, pipeline), **pictured})


def describe_rows(built: Built, pipeline: Pipeline) -> metadata.Entries:
    """How many rows there are, what changed, and what is read that no source brings."""
    absent = unbrought(pipeline)
    return {
        **metadata.rows(len(built.every)),
        "new rows": len(built.rows.origins),
        "new rows by group": {group.name: len(own) for group, own in built.rows.groups.items()},
        "what changed": metadata.table(changes(built.generations.changes)),
        "series that no source brings": len(absent),
        "inputs that no source brings": metadata.table(absent),
        "ready": int(built.every["ready"].sum()),
        "newest": metadata.table(list_newest_rows(built.every)),
    }


def unbrought(pipeline: Pipeline) -> pl.DataFrame:
    """Series that groups read and nothing brings, and the columns that stay absent for it."""
    inputs = unbrought_inputs(pipeline.catalogue, pipeline.settings)
    schema = {"series": pl.String, "columns": pl.String}
    return pl.DataFrame(list(inputs.items()), schema=schema, orient="row")


def changes(notes: pl.DataFrame) -> pl.DataFrame:
    """What was built anew, of which commodities, and why."""
    return (
        notes.group_by("feature_group", "why", maintain_order=True)
        .agg(pl.col("commodity").sort().str.join(", "))
        .select("feature_group", "commodity", "why")
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
    made = add_targets(pipeline)
    counts = made.every.group_by("commodity", "horizon").len("targets")
    return dg.MaterializeResult(
        metadata={
            **metadata.rows(len(made.every)),
            "new rows": made.added,
            "by horizon": metadata.table(counts.sort("commodity", "horizon")),
        }
    )


def list_newest_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The last row of each commodity."""
    return (
        rows.sort("session")
        .group_by("commodity", maintain_order=True)
        .agg(pl.col("session", "decision_at", "price").last())
        .sort("commodity")
    )


def pictures(
    rows: pl.DataFrame, chosen: FeatureSet, pipeline: Pipeline
) -> dict[str, dg.MarkdownMetadataValue]:
    """Which features each commodity's newest rows hold, and how old each release group is."""
    from cbi_pipeline.report import charts

    plots, drawn = Plots(pipeline.settings.plots_dir), {}
    for commodity in pipeline.catalogue.commodities:
        own = rows.filter(pl.col("commodity") == commodity.id).sort("session").tail(PICTURED)
        if own.is_empty():
            continue
        present = own.select(pl.col(chosen.features).is_not_null())
        ages = own.select(pl.col([f"age_{name}" for name in chosen.groups]).fill_null(0.0))

        def draw(
            sessions: pl.Series = own["session"],
            present: pl.DataFrame = present,
            ages: pl.DataFrame = ages,
            name: str = commodity.name,
        ) -> bytes:
            figure = charts.feature_overview(
                sessions.to_list(),
                chosen.features,
                present.to_numpy(),
                chosen.groups,
                ages.to_numpy(),
            )
            return charts.png(figure, title=name)

        figures = pl.concat([own.select("session"), present, ages], how="horizontal")
        drawn[f"features of {commodity.id}"] = plots.show(
            f"features/{commodity.id}", commodity.name, figures, draw
        )
    return drawn


@dg.definitions
def features() -> dg.Definitions:
    """The rows, made of the profile's records, and the returns that followed."""
    return dg.Definitions(assets=[depend_on_records(row), target])
