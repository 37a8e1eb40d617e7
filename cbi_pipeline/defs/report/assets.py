"""The morning report."""

import dagster as dg

from cbi_pipeline.defs.partitions import DAYS
from cbi_pipeline.defs.pipeline import Pipeline
from cbi_pipeline.defs.standing import conclude
from cbi_pipeline.feeds.archive import read_record


@dg.asset(
    key=dg.AssetKey(["report", "morning"]),
    deps=[dg.AssetKey(["issued", "forecast"]), dg.AssetKey(["issued", "score"])],
    partitions_def=DAYS,
    group_name="report",
    kinds={"html"},
)
def morning(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    """The page that buyers read: forecasts, how they did, the gate, the data behind them."""
    from cbi_pipeline.report import gather
    from cbi_pipeline.report.page import write

    settings = pipeline.settings
    if not pipeline.is_newest(context.partition_key):
        return dg.MaterializeResult(metadata={"written": "no: replayed days have no report"})
    with pipeline.warehouse.read() as store:
        page = gather(
            store,
            pipeline.catalogue,
            settings,
            as_of=pipeline.as_of(context.partition_key),
            modified=read_record(settings.archive_dir).modified,
        )
    path = write(page, settings.reports_dir)
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(path),
            "open": dg.MetadataValue.url(path.as_uri()),
            "bytes": path.stat().st_size,
            "rests on the newest data": conclude(pipeline),
        }
    )
