"""Tonight's models: champion and challengers, trained on everything known, registered."""

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.partitions import DAYS
from cbi_pipeline.defs.plots import Plots
from cbi_pipeline.defs.registry.deviations import log_deviations
from cbi_pipeline.operations.decide import establish_champion
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.refresh_models import Refreshed, refresh_models
from data_contracts.evaluation import VERSION

KEY = dg.AssetKey(["forecasting", "refresh"])


@dg.asset(
    key=KEY,
    deps=[
        dg.AssetKey(["features", "row"]),
        dg.AssetKey(["features", "target"]),
        dg.AssetKey(["registry", "decision"]),
    ],
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="forecasting",
    kinds={"pytorch", "mlflow"},
    pool="warehouse",
    metadata=metadata.definition("registry.version"),
)
def refresh(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    """The champion and challenger recipes trained on all that is known, registered, aliased.

    A recipe that fails is told and leaves the others alone; the version in use goes on speaking.
    """
    newest = [day for day in context.partition_keys if pipeline.is_newest(day)]
    if not newest:
        return dg.MaterializeResult(metadata={"trained": "no: only the newest day trains a model"})
    establish_champion(pipeline)
    undone = log_deviations(context, pipeline)
    made = refresh_models(pipeline, pipeline.as_of(newest[-1]))
    if isinstance(made, str):
        return dg.MaterializeResult(metadata={"trained": made})
    plots = Plots(pipeline.settings.plots_dir)
    return dg.MaterializeResult(metadata={**describe_refresh(made, plots), **undone})


def describe_refresh(made: Refreshed, plots: Plots) -> metadata.Entries:
    """Tonight's versions, what was decided on them, and how they learned."""
    rows = [version.row() for version in made.versions]
    listing = pl.DataFrame(rows, schema=VERSION.dtypes).drop("run_id", "as_of")
    curves = {
        f"learning curve of {name}": plots.show_image(f"learning_curve/{name}", name, curve)
        for name, curve in made.curves.items()
    }
    return {
        **metadata.rows(len(listing)),
        "versions": metadata.table(listing.with_columns(pl.col(pl.String).str.head(40))),
        **{
            f"MLflow run of {row['recipe']}": metadata.mlflow_run(str(row["run_id"]))
            for row in rows
        },
        "refresh": " ".join(made.ruling["reason"]) or "the version in use goes on",
        "aliases": ", ".join(f"{alias}: {number}" for alias, number in made.aliases.items()),
        **curves,
    }
