"""What is said, chained so that no one rewrites it unseen, and how it turned out."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.evaluation import bands
from cbi_pipeline.defs.partitions import DAYS
from cbi_pipeline.defs.registry.deviations import log_deviations
from cbi_pipeline.operations.issue import DailyIssue, Issued, issue_days
from cbi_pipeline.operations.missed_days import MISSED, explain_days
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.score_issued import score_issued

FORECAST = dg.AssetKey(["issued", "forecast"])
SCORE = dg.AssetKey(["issued", "score"])


@dg.asset(
    key=FORECAST,
    deps=[dg.AssetKey(["forecasting", "refresh"])],
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="issued",
    kinds={"duckdb"},
    pool="warehouse",
    metadata=metadata.definition("issued.forecast"),
)
def forecast(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    """The day's forecast by the champion; past days are replayed by the models of their time."""
    days = context.partition_keys
    newest = [day for day in days if pipeline.is_newest(day)]
    undone = log_deviations(context, pipeline) if newest else {}
    for issued in issue_days(pipeline, days):
        founding = warn_of_founding(context, issued.issue)
    for day, words in explain_days(pipeline, days).items():
        context.add_asset_metadata({"this day": words}, FORECAST, partition_key=day)
    return dg.MaterializeResult(metadata={**describe_issue(issued), **undone, **founding})


def describe_issue(issued: Issued) -> metadata.Entries:
    """What was issued, on whom nothing was said, and where the chain stands."""
    silent = issued.issue.abstentions.filter(pl.col("kind") != MISSED)
    missed = issued.issue.abstentions.filter(pl.col("kind") == MISSED)
    live = issued.issue.rows.filter(pl.col("track") == "live")
    return {
        **metadata.rows(issued.sequence),
        "rows issued": issued.added,
        "commodities without forecast": len(silent),
        "no forecast": metadata.table(silent.select("commodity", "kind", "reason")),
        "days missed before": missed["as_of"].n_unique(),
        "chain": f"{issued.sequence} rows, newest {issued.row_hash[:16]}",
        **({} if live.is_empty() else {"forecast": metadata.table(fan(live))}),
    }


def warn_of_founding(
    context: dg.AssetExecutionContext, issue: DailyIssue
) -> dict[str, dg.TextMetadataValue]:
    """Which commodities the founding model forecast, and why; a warning each."""
    from cbi_pipeline.issued import FORECAST as SPOKEN

    words = [f"{x.commodity}: {x.reason}" for x in issue.statuses if x.kind == SPOKEN and x.reason]
    for line in words:
        context.log.warning(line)
    return {"founding model": dg.MetadataValue.text("; ".join(words))} if words else {}


def fan(rows: pl.DataFrame) -> pl.DataFrame:
    """One line per commodity and horizon: origin, target, the 10, 50 and 90 % prices."""
    levels = rows.filter(pl.col("quantile").is_in([0.1, 0.5, 0.9]))
    named = levels.with_columns(level=pl.format("p{}", (pl.col("quantile") * 100).cast(pl.Int64)))
    index = ["commodity", "horizon", "origin_session", "target_session", "origin_price", "up"]
    return named.pivot("level", index=index, values="price").sort("commodity", "horizon")


@dg.asset(
    key=SCORE,
    deps=[FORECAST, dg.AssetKey(["market", "session"])],
    group_name="issued",
    kinds={"duckdb"},
    pool="warehouse",
    metadata=metadata.definition("issued.score"),
    check_specs=[
        dg.AssetCheckSpec(
            bands.LIVE,
            asset=SCORE,
            description="Live 80 % bands held, on each market and over all of them, as often as "
            "chance and overlap allow.",
        )
    ],
)
def score(
    pipeline: dg.ResourceParam[Pipeline],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """How every issued forecast turned out, by the first and the latest price of its target."""
    scored = score_issued(pipeline)
    yield check_live_coverage(scored.live_bands, scored.days, pipeline)
    yield dg.MaterializeResult(
        metadata={
            **metadata.rows(scored.rows),
            "new or changed": scored.changed,
            "how it went": metadata.table(scored.summary),
            **figures(scored.summary),
        },
    )


def check_live_coverage(
    live_bands: pl.DataFrame, days: int, pipeline: Pipeline
) -> dg.AssetCheckResult:
    """Whether live bands held, of the horizons that are followed today.

    Args:
        live_bands: of `score_issued`.
        days: instants of live forecasts.
        pipeline: whose catalogue names the horizons.
    """
    from cbi_pipeline.evaluation import coverage_bands

    followed = [
        (commodity.id, steps, label)
        for commodity in pipeline.catalogue.commodities
        for label, steps in commodity.horizons.items()
    ]
    labels = pl.DataFrame(
        followed,
        schema={"commodity": pl.String, "horizon": pl.Int64, "label": pl.String},
        orient="row",
    )
    rows = (
        live_bands.sort("commodity", "horizon", "origin_session")
        .join(labels, on=["commodity", "horizon"], maintain_order="left")
        .with_columns(
            recipe=pl.lit("live"),
            horizon="label",
            week=pl.col("as_of").dt.truncate("1w").dt.date(),
            covered_80=pl.col("covered").cast(pl.Float64),
        )
    )
    return bands.live_coverage(days, coverage_bands(rows, "live"))


def figures(summary: pl.DataFrame) -> dict[str, float]:
    """How often 80 % bands held and how far medians missed, per track; Dagster draws them."""
    weight = pl.col("forecasts") / pl.col("forecasts").sum()
    means = summary.group_by("track").agg(
        (pl.col("covered_80") * weight).sum(), (pl.col("error") * weight).sum()
    )
    return {
        f"{name} {track}": value
        for track, *values in means.sort("track").iter_rows()
        for name, value in zip(means.columns[1:], values, strict=True)
    }
