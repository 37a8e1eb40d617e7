"""Pictures of the evidence on a recipe, for Dagster's pages and MLflow's runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from cbi_pipeline.operations.training_data import TrainingData


def split_skill(recipe: str, scores: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """By commodity, the rows that say a recipe's skill over each opponent and horizon.

    Args:
        recipe: recipe to show.
        scores: rows of ``evaluation.score`` of one evaluation.
    """
    skills = scores.filter(
        pl.col("recipe") == recipe,
        pl.col("metric").str.starts_with("skill_vs_"),
        pl.col("horizon") != "*",
        pl.col("commodity") != "*",
    )
    wanted = ["horizon", "metric", "value", "low", "high"]
    return {
        str(commodity): own.select(wanted)
        for (commodity,), own in skills.group_by("commodity", maintain_order=True)
    }


def draw_skill(recipe: str, commodity: str, skills: pl.DataFrame) -> bytes:
    """PNG of a recipe's skill on a commodity, from its rows of :func:`split_skill`."""
    from cbi_pipeline.report import charts

    bars = [
        charts.Skill(
            horizon=row["horizon"],
            baseline=row["metric"].removeprefix("skill_vs_"),
            value=row["value"],
            low=row["low"],
            high=row["high"],
        )
        for row in skills.iter_rows(named=True)
    ]
    return charts.png(charts.skill(bars), title=f"{recipe}: skill on {commodity}")


def reliability_of(recipe: str, forecasts: pl.DataFrame, data: TrainingData) -> bytes | None:
    """PNG: how often prices rose after each stated chance; None when nothing came true yet.

    Args:
        recipe: recipe to show.
        forecasts: its rows of ``evaluation.forecast``.
        data: targets and catalogue.
    """
    from cbi_pipeline.evaluation import losses
    from cbi_pipeline.report import charts

    came = losses(forecasts, data.targets, data.catalogue)
    if came.is_empty():
        return None
    figure = charts.reliability(came["up"].to_list(), (came["rose"] > 0.5).to_list())
    return charts.png(figure, title=f"{recipe}: prices that rose, by stated chance of a rise")
