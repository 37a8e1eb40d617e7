"""Gathering walk-forward evidence: recipes enter a round, and a complete one is scored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from cbi_pipeline.catalogue import NAIVE, CatalogueError
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
from cbi_pipeline.operations.rounds import (
    NoRound,
    choose_estimators,
    enter_round,
    forget_withdrawn,
    require_joinable,
    round_as_of,
)
from cbi_pipeline.operations.training_data import evidence_as_of, load_training_data
from cbi_pipeline.operations.walk_forward_store import drop_old_evidence, split_folds
from data_contracts.evaluation import ABSENCE, CALIBRATED, ROUND, SCORE

#: In the fault log: evidence that could not be gathered.
SUBJECT = "walk-forward evidence"
#: Last word of the subject of one estimator's fault there.
JUDGING = "evaluation"
#: Into which round recipes enter: the newest, a new one where the week's is not judged yet, or a
#: new one wherever the data have changed.
Opening = Literal["join", "due", "open"]


@dataclass(frozen=True)
class GatheredEvidence:
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
    def nothing(cls, words: str) -> GatheredEvidence:
        """No evidence, and why."""
        return cls(words, None, SCORE.empty(), ABSENCE.empty(), "nothing")


def gather_evidence(
    pipeline: Pipeline, recipes: Collection[str], opening: Opening
) -> GatheredEvidence:
    """Walk recipes of the catalogue forward, each with whom it is judged against.

    What a round lacks no longer is scored and stored as evidence. Evidence that cannot be gathered
    is a fault, and costs no forecast.

    Args:
        pipeline: the home.
        recipes: names of the catalogue's challengers.
        opening: into which round they enter.

    Raises:
        NoRound: they join a round, and there is none that they could join.
        CatalogueError: a recipe is none of the challengers.
    """
    joins = opening == "join"
    as_of = round_as_of(pipeline) if joins else evidence_as_of(pipeline)
    evaluation = EvaluationRun(load_training_data(pipeline, as_of), pipeline)
    try:
        words = _renew(evaluation, recipes, opening)
    except (NoRound, CatalogueError):
        raise
    except Exception as error:
        words = f"no evidence was gathered tonight: {failure(error)}"
        note_fault(pipeline, SUBJECT, words)
        return GatheredEvidence.nothing(words)
    note_fault(pipeline, SUBJECT, None)
    if not evaluation.data.has_origins:
        return GatheredEvidence.nothing(words)
    with pipeline.warehouse.read() as store:
        scores = store.table("evaluation.score", "evaluation_id = ?", [evaluation.name])
        absent = store.table("evaluation.absence", "evaluation_id = ?", [evaluation.name])
    champion = evaluation.lineup.champion.name
    return GatheredEvidence(words, evaluation, scores, absent, champion + CALIBRATED)


def _renew(evaluation: EvaluationRun, recipes: Collection[str], opening: Opening) -> str:
    """Gather what evidence is due; in words, what there is now."""
    if not evaluation.data.has_origins:
        return "none: nothing can be forecast from yet"
    entering = choose_estimators(evaluation, recipes)
    if opening == "join":
        require_joinable(evaluation)
    examine_code(evaluation)
    words = _why_it_stands(evaluation, opening) or _enter(evaluation, entering)
    _note_estimators(evaluation)
    return words


def _why_it_stands(evaluation: EvaluationRun, opening: Opening) -> str | None:
    """Why no new evidence is needed, or None."""
    pipeline = evaluation.pipeline
    with pipeline.warehouse.read() as store:
        is_done, failed = evaluation.is_done(store), evaluation.failures(store)
        decisions = store.table("registry.decision")
        fits = evaluation.is_answered(store, decisions) and judges_champion(store, decisions)
    if is_done:
        # Also where an earlier version gathered it, which noted no round.
        outcomes = {
            estimator.name: failed.get(estimator.name, "") for estimator in evaluation.estimators
        }
        pipeline.add({ROUND.table: enter_round(evaluation, outcomes)})
        return "stands: same data, recipes, plan and code"
    names = [challenger.name for challenger in evaluation.lineup.challengers]
    weekly = pipeline.settings.has_services and opening == "due"
    now = pipeline.now()
    if weekly and fits and all(is_judged_in_week(decisions, name, now) for name in names):
        listed = " and ".join(names)
        return f"{listed} was judged this week already; the weekly job judges it again"
    return None


def _enter(evaluation: EvaluationRun, entering: Collection[str]) -> str:
    """Walk some estimators forward; with the last of a round, score it. In words, what it lacks."""
    forget_withdrawn(evaluation)
    pipeline = evaluation.pipeline
    pipeline.add({ROUND.table: enter_round(evaluation, {})})
    forecasts, failed = _walk_forward(evaluation, entering)
    entries = enter_round(evaluation, {name: failed.get(name, "") for name in entering})
    awaited = entries.filter(outcome="awaited")["recipe"].to_list()
    if awaited:
        pipeline.add({ROUND.table: entries})
        return f"the round awaits {', '.join(awaited)}"
    failed = dict(entries.filter(outcome="failed").select("recipe", "reason").iter_rows())
    if len(entering) < len(evaluation.estimators):
        whole = [
            estimator.name for estimator in evaluation.estimators if estimator.name not in failed
        ]
        forecasts, further = _walk_forward(evaluation, whole)
        failed |= further
    pipeline.add(
        {**_evidence(evaluation, forecasts, failed), ROUND.table: entries},
        lambda store: drop_old_evidence(store, evaluation.name, pipeline.now()),
    )
    return "gathered anew"


def _walk_forward(
    evaluation: EvaluationRun, entering: Collection[str]
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Forecasts of some estimators, and why others of them have none.

    An estimator that fails sits out and is a fault of its own; the champion may not fail, nor the
    naive forecasts, which skill is always stated against.
    """
    from cbi_pipeline.evaluation import walk_forward as walked

    failed: dict[str, str] = {}

    def note_failure(name: str, error: Exception) -> None:
        if name in (*NAIVE, evaluation.lineup.champion.name):
            raise error
        failed[name] = f"{FAILED}: {failure(error)}"

    _announce_cost(evaluation, entering, note_failure)
    whole = [name for name in entering if name not in failed]
    steps = len(whole) * len(evaluation.plan.refits)
    with progress.track("walk-forward", steps) as done:
        forecasts = pl.concat(
            walked(
                data.panel,
                [estimator for estimator in estimators if estimator.name in whole],
                plan_of(data),
                targets=data.targets,
                evaluation_id=evaluation.name,
                cache_dir=evaluation.pipeline.settings.folds_dir,
                code=evaluation.code,
                on_fold=lambda fold: done(f"{fold.recipe} {fold.fold}"),
                on_failure=note_failure,
            )
            for data, estimators in evaluation.panels
        )
    return forecasts, failed


def _announce_cost(
    evaluation: EvaluationRun,
    entering: Collection[str],
    on_failure: Callable[[str, Exception], None],
) -> None:
    """Say what the walk-forward of some estimators will take, where anything is to be done."""
    from cbi_pipeline.evaluation import estimate_cost

    costs: dict[str, float] = {}
    for data, estimators in evaluation.panels:
        costs |= estimate_cost(
            data.panel,
            [estimator for estimator in estimators if estimator.name in entering],
            plan_of(data),
            targets=data.targets,
            cache_dir=evaluation.pipeline.settings.folds_dir,
            code=evaluation.code,
            on_failure=on_failure,
        )
    if sum(costs.values()) >= 1.0:
        progress.announce(f"walk-forward: {describe_cost(costs)}")


def describe_cost(costs: Mapping[str, float]) -> str:
    """What recipes will take (seconds, by name) in words, the costliest named."""
    dearest = sorted(costs.items(), key=lambda cost: -cost[1])[:3]
    named = ", ".join(f"{name} {progress.describe_duration(seconds)}" for name, seconds in dearest)
    return f"about {progress.describe_duration(sum(costs.values()))} to go ({named})"


def _evidence(
    evaluation: EvaluationRun, forecasts: pl.DataFrame, failed: Mapping[str, str]
) -> dict[str, pl.DataFrame]:
    """Forecasts, those of the recipes calibrated as well, scores, and who sat out."""
    from cbi_pipeline.evaluation import absences, calibrate, failures, score

    learned = pl.col("recipe").is_in(list(evaluation.lineup.recipes))
    calibrated = calibrate(forecasts.filter(learned), evaluation.data.targets)
    everything = pl.concat([forecasts, calibrated])
    targets, catalogue = evaluation.data.targets, evaluation.pipeline.catalogue
    return {
        **split_folds(everything),
        "evaluation.score": score(everything, targets, catalogue),
        "evaluation.absence": pl.concat(
            [
                *(
                    absences(
                        data.panel,
                        [estimator for estimator in estimators if estimator.name not in failed],
                        plan_of(data),
                        targets=data.targets,
                        evaluation_id=evaluation.name,
                    )
                    for data, estimators in evaluation.panels
                ),
                failures(evaluation.plan, failed, evaluation.name),
            ]
        ),
    }


def _note_estimators(evaluation: EvaluationRun) -> None:
    """Note the estimators that could not be judged, and those that can again."""
    with evaluation.pipeline.warehouse.read() as store:
        if not evaluation.is_done(store):
            return
        failed = evaluation.failures(store)
    for estimator in evaluation.estimators:
        why = failed.get(estimator.name)
        words = None if why is None else f"{estimator.name} was not judged: {why}"
        note_fault(evaluation.pipeline, f"{estimator.name} {JUDGING}", words)
    entered = {f"{estimator.name} {JUDGING}" for estimator in evaluation.estimators}
    close_others(evaluation.pipeline, JUDGING, entered)
