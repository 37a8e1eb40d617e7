"""Whether the bands that are issued hold as often as they say."""

from __future__ import annotations

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata

EVERYTHING = "*"
LIVE = "live_coverage"
REPLAYED = "calibration"


def calibration(scores: pl.DataFrame, recipe: str) -> dg.AssetCheckResult:
    """Pooled 80 % coverage near 80 %, and that of each market inside its own band.

    Args:
        scores: rows of ``evaluation.score`` of one evaluation.
        recipe: whose forecasts are issued, calibrated variants under their own name.
    """
    from cbi_pipeline.evaluation import POOLED_80

    figures = scores.filter(pl.col("recipe") == recipe, pl.col("horizon") == EVERYTHING)
    coverage = figures.filter(pl.col("metric") == "coverage_80").select(
        "commodity", coverage="value"
    )
    bands = figures.filter(pl.col("metric") == "band_80").select("commodity", "low", "high")
    table = coverage.join(bands, on="commodity", how="left", maintain_order="left")
    pooled = pl.col("commodity") == EVERYTHING
    inside = pl.col("coverage").is_between(
        pl.when(pooled).then(POOLED_80[0]).otherwise("low"),
        pl.when(pooled).then(POOLED_80[1]).otherwise("high"),
    )
    return _result(REPLAYED, table.with_columns(inside=inside), recipe)


def live_coverage(days: int, bands: pl.DataFrame) -> dg.AssetCheckResult:
    """Coverage of what was really said, each market and all of them inside its own band.

    Args:
        days: instants of live forecasts.
        bands: `evaluation.coverage_bands` of them.
    """
    margins = bands.filter(pl.col("horizon") == EVERYTHING).drop("horizon")
    return _result(LIVE, margins, f"{days} live days")


def _result(name: str, table: pl.DataFrame, whose: str) -> dg.AssetCheckResult:
    outside = table.filter(~pl.col("inside"))["commodity"].to_list()
    passed = "inside their bands" if len(table.drop_nulls("inside")) else "too few to judge"
    return dg.AssetCheckResult(
        check_name=name,
        passed=not outside,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{whose}: "
        + (f"outside for {', '.join(outside)} (* is all markets)" if outside else passed),
        metadata={"80 % bands": metadata.table(table)},
    )
