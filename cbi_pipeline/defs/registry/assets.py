"""The gate's decision on the challenger."""

from __future__ import annotations

import dagster as dg

from cbi_pipeline.defs import metadata
from cbi_pipeline.operations.decide import decide_challengers
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
    ruled = decide_challengers(pipeline)
    shown = ruled.decisions.select("recipe", "champion", "verdict", "reason", "who")
    return dg.MaterializeResult(
        metadata={
            **metadata.rows(len(shown)),
            "champion": ruled.champion.recipe if ruled.champion else "none yet",
            "decisions": metadata.table(shown),
            "new evidence": ruled.judged,
        }
    )
