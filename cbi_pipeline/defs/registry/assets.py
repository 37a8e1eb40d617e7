"""The gate's decision on the challenger."""

from __future__ import annotations

import json

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.operations.decide import Ruled, decide_challengers
from cbi_pipeline.operations.pipeline import Pipeline

KEY = dg.AssetKey(["registry", "decision"])


@dg.asset(
    key=KEY,
    deps=[dg.AssetKey(["evaluation", "walk_forward"])],
    group_name="registry",
    kinds={"duckdb"},
    pool="warehouse",
    metadata=metadata.definition("registry.decision"),
)
def decision(pipeline: dg.ResourceParam[Pipeline]) -> dg.MaterializeResult[None]:
    """Whether a challenger replaces the champion, on paired forecasts, and why."""
    return dg.MaterializeResult(metadata=describe_decisions(decide_challengers(pipeline)))


def describe_decisions(ruled: Ruled) -> metadata.Entries:
    """Who is champion, every decision, and what the newest looks found."""
    columns = ("recipe", "champion", "verdict", "reason", "who", "round_id", "level_left")
    shown = ruled.decisions.select(columns)
    return {
        **metadata.rows(len(shown)),
        "champion": ruled.champion.recipe if ruled.champion else "none yet",
        "decisions": metadata.table(shown),
        "new evidence": ruled.judged,
        **figures(ruled.decisions),
    }


def figures(decisions: pl.DataFrame) -> dict[str, float]:
    """Of each recipe's newest look its skill against every opponent and the chance of it by luck.

    Args:
        decisions: rows of ``registry.decision``, oldest first.
    """
    newest = decisions.filter(pl.col("who") == "gate").unique("recipe", keep="last")
    return {
        f"{recipe} against {contest['opponent']}: {name}": float(contest[key])
        for recipe, statistics in newest.sort("recipe").select("recipe", "statistics").iter_rows()
        for contest in json.loads(statistics).get("contests", ())
        for name, key in (("skill", "skill"), ("p", "p_value"))
    }
