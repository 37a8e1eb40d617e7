"""Gathering walk-forward evidence, where this week's does not answer already."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cbi_pipeline.operations import progress
from cbi_pipeline.operations.evaluate import (
    FAILED,
    EvaluationRun,
    is_judged_in_week,
    judges_champion,
    plan_of,
)
from cbi_pipeline.operations.faults import close_others, failure, note_fault
from cbi_pipeline.operations.model_code import examine_code
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import evidence_as_of, load_training_data
from data_contracts.evaluation import ABSENCE, CALIBRATED, SCORE

#: In the fault log: evidence that could not be gathered.
SUBJECT = "walk-forward evidence"
#: Last word of the subject of one contender's fault there.
CONTENDER = "evaluation"


@dataclass(frozen=True)
class EvidenceFound:
    """What evidence there is.

    Attributes:
        words: whether it was gathered, or why not.
        evaluation: what was compared; None where there is no evidence.
        scores: its rows of ``evaluation.score``.
        absent: its rows of ``evaluation.absence``.
        issued_as: the recipe whose forecasts are issued, by its name in the scores.
    """

    words: str
    evaluation: EvaluationRun | None
    scores: pl.DataFrame
    absent: pl.DataFrame
    issued_as: str

    @classmethod
    def nothing(cls, words: str) -> EvidenceFound:
        """No evidence, and why."""
        return cls(words, None, SCORE.empty(), ABSENCE.empty(), "nothing")


def gather_evidence(pipeline: Pipeline, *, anew: bool) -> EvidenceFound:
    """Walk the contenders forward if that is due, and store how they did.

    Evidence that cannot be gathered is a fault, and costs no forecast.

    Args:
        pipeline: the home.
        anew: although this week's stands already.
    """
    evaluation = EvaluationRun(load_training_data(pipeline, evidence_as_of(pipeline)), pipeline)
    try:
        words = _renew(evaluation, anew, pipeline)
    except Exception as error:
        words = f"no evidence was gathered tonight: {failure(error)}"
        note_fault(pipeline, SUBJECT, words)
        return EvidenceFound.nothing(words)
    note_fault(pipeline, SUBJECT, None)
    if not evaluation.data.has_origins:
        return EvidenceFound.nothing(words)
    with pipeline.warehouse.read() as store:
        scores = store.table("evaluation.score", "evaluation_id = ?", [evaluation.name])
        absent = store.table("evaluation.absence", "evaluation_id = ?", [evaluation.name])
    champion = evaluation.lineup.champion.name
    return EvidenceFound(words, evaluation, scores, absent, champion + CALIBRATED)


def _renew(evaluation: EvaluationRun, anew: bool, pipeline: Pipeline) -> str:
    """Gather what evidence is due; in words, what there is now."""
    if not evaluation.data.has_origins:
        return "none: nothing can be forecast from yet"
    examine_code(evaluation)
    standing = _why_it_stands(evaluation, anew, pipeline)
    if standing is None:
        pipeline.add(_walk_forward(evaluation, pipeline))
    _note_contenders(evaluation)
    return standing or "gathered anew"


def _why_it_stands(evaluation: EvaluationRun, anew: bool, pipeline: Pipeline) -> str | None:
    """Why no new evidence is needed, or None."""
    with pipeline.warehouse.read() as store:
        if evaluation.is_done(store):
            return "stands: same data, recipes, plan and code"
        decisions = store.table("registry.decision")
        fits = evaluation.is_answered(store, decisions) and judges_champion(store, decisions)
    names = [one.name for one in evaluation.lineup.challengers]
    weekly = pipeline.settings.profile == "live" and not anew
    now = pipeline.now()
    if weekly and fits and all(is_judged_in_week(decisions, name, now) for name in names):
        listed = " and ".join(names)
        return f"{listed} was judged this week already; the weekly job judges it again"
    return None


def _walk_forward(evaluation: EvaluationRun, pipeline: Pipeline) -> dict[str, pl.DataFrame]:
    """Forecasts, those of the recipes calibrated as well, scores, and who sat out.

    A contender that fails sits out and is a fault of its own; the champion and the naive forecasts
    that every champion must beat may not fail.
    """
    from cbi_pipeline.catalogue import NAIVE
    from cbi_pipeline.evaluation import absences, calibrate, failures, score
    from cbi_pipeline.evaluation import walk_forward as walked

    failed: dict[str, str] = {}

    def note_failure(name: str, error: Exception) -> None:
        if name in (*NAIVE, evaluation.lineup.champion.name):
            raise error
        failed[name] = f"{FAILED}: {failure(error)}"

    steps = len(evaluation.contenders) * len(evaluation.plan.refits)
    with progress.track("walk-forward", steps) as done:
        forecasts = pl.concat(
            walked(
                data.panel,
                contenders,
                plan_of(data),
                targets=data.targets,
                evaluation_id=evaluation.name,
                cache_dir=pipeline.settings.checkpoints_dir / "walk_forward",
                code=evaluation.code,
                on_fold=lambda fold: done(f"{fold.recipe} {fold.fold}"),
                on_failure=note_failure,
            )
            for data, contenders in evaluation.panels
        )
    learned = pl.col("recipe").is_in(list(evaluation.lineup.recipes))
    calibrated = calibrate(forecasts.filter(learned), evaluation.data.targets)
    everything = pl.concat([forecasts, calibrated])
    return {
        "evaluation.forecast": everything,
        "evaluation.score": score(everything, evaluation.data.targets, pipeline.catalogue),
        "evaluation.absence": pl.concat(
            [
                *(
                    absences(
                        data.panel,
                        [one for one in contenders if one.name not in failed],
                        plan_of(data),
                        targets=data.targets,
                        evaluation_id=evaluation.name,
                    )
                    for data, contenders in evaluation.panels
                ),
                failures(evaluation.plan, failed, evaluation.name),
            ]
        ),
    }


def _note_contenders(evaluation: EvaluationRun) -> None:
    """Note the contenders that could not be judged, and those that can again."""
    with evaluation.pipeline.warehouse.read() as store:
        if not evaluation.is_done(store):
            return
        failed = evaluation.failures(store)
    for one in evaluation.contenders:
        why = failed.get(one.name)
        words = None if why is None else f"{one.name} was not judged: {why}"
        note_fault(evaluation.pipeline, f"{one.name} {CONTENDER}", words)
    entered = {f"{one.name} {CONTENDER}" for one in evaluation.contenders}
    close_others(evaluation.pipeline, CONTENDER, entered)
