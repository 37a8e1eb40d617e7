"""Tonight's models: champion and challenger, trained on everything known, registered."""

import dagster as dg
import polars as pl

from cbi_pipeline.catalogue import CatalogueError
from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.partitions import DAYS
from cbi_pipeline.defs.registry.deviations import log_deviations
from cbi_pipeline.operations.evaluate import current_lineup
from cbi_pipeline.operations.faults import close_others, failure, note_fault
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.promote import (
    ALIASES,
    TRAINING,
    decide_refresh,
    training_of,
    try_register,
)
from cbi_pipeline.operations.train import champion_first
from cbi_pipeline.operations.training_data import load_training_data
from cbi_pipeline.registry import RegistryError, current_champion
from data_contracts.evaluation import VERSION

KEY = dg.AssetKey(["forecasting", "refresh"])


@dg.asset(
    key=KEY,
    deps=[dg.AssetKey(["registry", "decision"])],
    partitions_def=DAYS,
    group_name="forecasting",
    kinds={"pytorch", "mlflow"},
    pool="warehouse",
    metadata=metadata.definition("registry.version"),
)
def refresh(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    """The champion and challenger recipes trained on all that is known, registered, aliased.

    A recipe that fails is told and leaves the other alone; the version in use goes on speaking.
    """
    if not pipeline.is_newest(context.partition_key):
        return dg.MaterializeResult(metadata={"trained": "no: only the newest day trains a model"})
    undone = log_deviations(context, pipeline)
    data = load_training_data(pipeline, pipeline.as_of(context.partition_key))
    if not data.has_origins:
        return dg.MaterializeResult(metadata={"trained": "no: nothing can be forecast from yet"})
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
    try:
        recipes = current_lineup(pipeline).recipes
    except (RegistryError, CatalogueError) as error:
        words = f"nothing was trained tonight: {failure(error)}"
        note_fault(pipeline, ALIASES, words)
        return dg.MaterializeResult(metadata={"trained": words})
    champion = current_champion(decisions)
    asked = champion_first(champion.recipe if champion else None, recipes)
    curves: dict[str, bytes] = {}
    tried = [try_register(recipe, data, decisions, pipeline, curves) for recipe in asked]
    close_others(pipeline, TRAINING, {training_of(recipe) for recipe in asked})
    versions = [version for version in tried if version is not None]
    ruling, aliases = decide_refresh(versions, decisions, data, pipeline)
    listing = pl.DataFrame([version.row() for version in versions], schema=VERSION.dtypes)
    return dg.MaterializeResult(
        metadata={
            "versions": metadata.table(
                listing.drop("run_id", "as_of").with_columns(pl.col(pl.String).str.head(40))
            ),
            "refresh": " ".join(ruling["reason"]) or "the version in use goes on",
            "aliases": ", ".join(f"{alias}: {number}" for alias, number in aliases.items()),
            **undone,
            **{
                f"learning curve of {name}": metadata.picture(curve, name)
                for name, curve in curves.items()
            },
        }
    )
