"""The gate's decision on the challenger."""

from __future__ import annotations

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.evaluation.assets import SUBJECT as EVIDENCE
from cbi_pipeline.ingest import fault_log
from cbi_pipeline.operations.evaluate import Trial
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import evidence_at, knowledge
from cbi_pipeline.registry import chronicle, following, reign

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
    """Whether the challenger replaces the champion, on paired forecasts, and why."""
    from cbi_pipeline.evaluation import first

    trial = Trial(knowledge(pipeline, evidence_at(pipeline)), pipeline)
    judged = is_judged(trial, pipeline)
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
    if judged:
        with pipeline.warehouse.read() as store:
            forecasts = store.table("evaluation.forecast", "evaluation_id = ?", [trial.name])
        pipeline.add({"registry.decision": rulings(trial, decisions, forecasts, pipeline)})
    elif reign(decisions) is None:
        # The first champion is one by construction: it needs no evidence.
        founder = trial.lineup.founder.name
        founding = first(founder, evaluation_id="", decided_at=pipeline.now())
        pipeline.add({"registry.decision": founding.frame(trial.known.as_of)})
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
    shown = chronicle(decisions).select("recipe", "champion", "verdict", "reason", "who")
    reigning = reign(decisions)
    return dg.MaterializeResult(
        metadata={
            "champion": reigning.recipe if reigning else "none yet",
            "decisions": metadata.table(shown),
            "new evidence": judged,
        }
    )


def is_judged(trial: Trial, pipeline: Pipeline) -> bool:
    """Whether the evidence that the gate rules on is there."""
    if not trial.known.has_origins or fault_log(pipeline.settings).open(EVIDENCE):
        return False
    with pipeline.warehouse.read() as store:
        return trial.is_done(store)


def rulings(
    trial: Trial, decisions: pl.DataFrame, forecasts: pl.DataFrame, pipeline: Pipeline
) -> pl.DataFrame:
    """The founding decision where there is none, and the gate's on the challenger."""
    from cbi_pipeline.evaluation import decide, first, tried_before

    now, recipe = pipeline.now(), trial.lineup.challenger.name
    standing = decisions
    if reign(decisions) is None:
        founder = trial.lineup.founder.name
        standing = first(founder, evaluation_id=trial.name, decided_at=now).frame(trial.known.as_of)
    reigning = reign(standing)
    assert reigning is not None
    ruling = decide(
        forecasts,
        trial.known.targets,
        recipe,
        reigning.recipe,
        pipeline.catalogue,
        decided_at=now,
        tried=tried_before(standing, recipe, now),
    )
    return pl.concat([standing, following(standing, ruling.frame(trial.known.as_of))])
