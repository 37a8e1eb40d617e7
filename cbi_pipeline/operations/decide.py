"""The gate: whether a challenger replaces the champion, on the evidence that there is."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cbi_pipeline.ingest import fault_log
from cbi_pipeline.operations.evaluate import EvaluationRun, is_seen
from cbi_pipeline.operations.gather_evidence import SUBJECT as EVIDENCE
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import evidence_as_of, load_training_data
from cbi_pipeline.registry import Champion, current_champion, following, sort_decisions


@dataclass(frozen=True)
class Ruled:
    """What stands after a look.

    Attributes:
        judged: whether there was evidence to rule on.
        decisions: rows of ``registry.decision``, oldest first.
    """

    judged: bool
    decisions: pl.DataFrame

    @property
    def champion(self) -> Champion | None:
        """The champion now."""
        return current_champion(self.decisions)


def decide_challengers(pipeline: Pipeline) -> Ruled:
    """Let the gate rule on each challenger; with no evidence name the founder, once."""
    from cbi_pipeline.evaluation import first

    evaluation = EvaluationRun(load_training_data(pipeline, evidence_as_of(pipeline)), pipeline)
    judged = is_judged(evaluation, pipeline)
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
    if judged:
        with pipeline.warehouse.read() as store:
            forecasts = store.table("evaluation.forecast", "evaluation_id = ?", [evaluation.name])
        pipeline.add({"registry.decision": rulings(evaluation, decisions, forecasts, pipeline)})
    elif current_champion(decisions) is None:
        # The first champion is one by construction: it needs no evidence.
        founder = evaluation.lineup.founder.name
        founding = first(founder, evaluation_id="", decided_at=pipeline.now())
        pipeline.add({"registry.decision": founding.frame(evaluation.data.as_of)})
    with pipeline.warehouse.read() as store:
        return Ruled(judged, sort_decisions(store.table("registry.decision")))


def is_judged(evaluation: EvaluationRun, pipeline: Pipeline) -> bool:
    """Whether there is evidence that the gate has not ruled on: equal forecasts are none."""
    if not evaluation.data.has_origins or fault_log(pipeline.settings).open(EVIDENCE):
        return False
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
        return evaluation.is_done(store) and not is_seen(store, evaluation, decisions)


def rulings(
    evaluation: EvaluationRun, decisions: pl.DataFrame, forecasts: pl.DataFrame, pipeline: Pipeline
) -> pl.DataFrame:
    """The founding decision where there is none, and the gate's on each challenger."""
    from cbi_pipeline.evaluation import decide, first, tried_before

    now, standing = pipeline.now(), decisions
    if current_champion(decisions) is None:
        founder = evaluation.lineup.founder.name
        standing = first(founder, evaluation_id=evaluation.name, decided_at=now).frame(
            evaluation.data.as_of
        )
    for challenger in evaluation.lineup.challengers:
        champion = current_champion(standing)
        assert champion is not None
        ruling = decide(
            forecasts,
            evaluation.data.targets,
            challenger.name,
            champion.recipe,
            pipeline.catalogue,
            decided_at=now,
            tried=tried_before(standing, challenger.name, now),
        )
        news = following(standing, ruling.frame(evaluation.data.as_of))
        standing = pl.concat([standing, news])
    return standing
