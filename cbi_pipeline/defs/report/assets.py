"""The morning report."""

from datetime import datetime
from pathlib import Path

import dagster as dg

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.partitions import DAYS
from cbi_pipeline.links import link_report
from cbi_pipeline.operations.change_detection import note_night
from cbi_pipeline.operations.missed_days import explain_days
from cbi_pipeline.operations.pipeline import Pipeline, desk_day
from cbi_pipeline.operations.write_report import write_report

KEY = dg.AssetKey(["report", "morning"])


@dg.asset(
    key=KEY,
    deps=[dg.AssetKey(["issued", "forecast"]), dg.AssetKey(["issued", "score"])],
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="report",
    kinds={"html"},
)
def morning(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    """The page that buyers read: forecasts, how they did, the gate, the data behind them."""
    for day in context.partition_keys:
        context.add_asset_metadata(write_page(day, pipeline), KEY, partition_key=day)
    return dg.MaterializeResult()


def write_page(day: str, pipeline: Pipeline) -> metadata.Entries:
    """Write the page of a day that was issued, and tell of it; or why there is none."""
    from cbi_pipeline.report.page import name_page

    as_of = issued_on(day, pipeline)
    if as_of is None:
        return {
            "written": f"no: replayed days have no report; {explain_days(pipeline, [day])[day]}"
        }
    if not pipeline.is_newest(day) and name_page(pipeline.settings.reports_dir, as_of).exists():
        return {"written": "no: the page of a past day stands"}
    return describe_report(write_report(pipeline, as_of), as_of, pipeline)


def describe_report(path: Path, as_of: datetime, pipeline: Pipeline) -> metadata.Entries:
    """Where the page is, and whether the night is whole."""
    return {
        "report": dg.MetadataValue.path(path),
        "open": dg.MetadataValue.url(link_report(path.name)),
        "bytes": path.stat().st_size,
        "rests on the newest data": note_night(pipeline, as_of),
    }


def issued_on(day: str, pipeline: Pipeline) -> datetime | None:
    """As-of instant of what was last said live on a day; None on a past one that was replayed.

    Raises:
        dagster.Failure: the day is issued live, and nothing was for it yet.
    """
    as_of, live = pipeline.as_of(day), pipeline.settings.has_services
    issued, newest = pipeline.newest_issue(as_of), pipeline.is_newest(day)
    own = issued is not None and desk_day(issued).isoformat() == day
    if own or (issued is not None and newest and not live):
        return issued
    if newest:
        raise dg.Failure(
            f"nothing was issued for {day} yet: launch issued/forecast of that day first",
            allow_retries=False,
        )
    return None
