"""Where the champion is among all recipes of an evaluation that can be compared with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

import polars as pl

from cbi_pipeline.evaluation.groups import group, select_common
from cbi_pipeline.evaluation.selection import SIZE, confidence_set, superior_ability

# A comparison on less than this share of the champion's scored forecasts decides nothing.
FEWEST_SHARED = 0.6


class Comparisons(TypedDict, total=False):
    """Figures over all recipes at once, on the origins that all of them forecast.

    Attributes:
        superior_ability: p-value of "no other is better than the champion"; None when too few.
        confidence_set: recipe to its p-value of being among the best.
        left_out: recipes that share too few of the champion's forecasts.
    """

    superior_ability: float | None
    confidence_set: dict[str, float]
    left_out: list[str]


def compare_all(losses: pl.DataFrame, champion: str) -> Comparisons:
    """The figures of a table of `losses`; empty where the champion has no scored forecast."""
    own = losses.filter(pl.col("recipe") == champion)
    if own.is_empty():
        return {}
    cell = ["commodity", "horizon", "origin_session"]
    shared = losses.join(own.select(cell), on=cell, how="semi").group_by("recipe").len()
    enough = shared.filter(pl.col("len") >= FEWEST_SHARED * len(own))["recipe"].sort().to_list()
    left_out = sorted(set(losses["recipe"]) - set(enough))
    comparisons: Comparisons = {"left_out": left_out} if left_out else {}
    table = select_common(losses, enough)
    if table.is_empty():
        return comparisons
    everything = group(table)
    return comparisons | {
        "superior_ability": superior_ability(everything, champion, enough),
        "confidence_set": confidence_set(everything, enough),
    }


def words_of(comparisons: Comparisons, champion: str, *, level: float) -> Iterator[str]:
    """The figures in sentences."""
    p_value = comparisons.get("superior_ability")
    if p_value is not None:
        shown = "is shown" if p_value <= level else "is not shown"
        yield f"That any other forecast is better than {champion} {shown} (SPA p = {p_value:.3f})."
    best = [name for name, value in comparisons.get("confidence_set", {}).items() if value > SIZE]
    if best:
        yield f"Among the best, with {1 - SIZE:.0%} confidence: {', '.join(best)}."
    if comparisons.get("left_out"):
        yield f"Not compared there, for too few forecasts: {', '.join(comparisons['left_out'])}."
