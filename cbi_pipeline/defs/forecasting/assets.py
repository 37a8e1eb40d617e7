"""Tonight's models: champion and challenger, trained on everything known, registered."""

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.aliases import log_deviations
from cbi_pipeline.defs.evaluation.trial import entered
from cbi_pipeline.defs.forecasting.models import in_order, registered
from cbi_pipeline.defs.forecasting.succession import enthroned, succession
from cbi_pipeline.defs.knowledge import knowledge
from cbi_pipeline.defs.partitions import DAYS
from cbi_pipeline.defs.pipeline import Pipeline
from cbi_pipeline.registry import reign
from data_contracts.evaluation import DECISION

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
    """The champion and challenger recipes trained on all that is known, registered, aliased."""
    if not pipeline.is_newest(context.partition_key):
        return dg.MaterializeResult(metadata={"trained": "no: only the newest day trains a model"})
    undone = log_deviations(context, pipeline)
    known = knowledge(pipeline, pipeline.as_of(context.partition_key))
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
    reigning = reign(decisions)
    assert reigning is not None
    shown: dict[str, dg.MarkdownMetadataValue] = {}
    versions = [
        registered(recipe, known, decisions, pipeline, shown)
        for recipe in in_order(reigning.recipe, entered(pipeline).recipes)
    ]
    ruling = succession(versions, decisions, known, pipeline).with_columns(
        as_of=pl.lit(known.as_of, DECISION.dtypes["as_of"])
    )
    aliases = enthroned(versions, ruling, pipeline)
    listing = pl.DataFrame([version.row() for version in versions]).drop("run_id", "as_of")
    return dg.MaterializeResult(
        metadata={
            "versions": metadata.table(listing.with_columns(pl.col(pl.String).str.head(40))),
            "refresh": " ".join(ruling["reason"]) or "the version in use is tonight's already",
            "aliases": ", ".join(f"{alias}: {number}" for alias, number in aliases.items()),
            **undone,
            **shown,
        }
    )
