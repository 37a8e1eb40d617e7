"""Walk-forward evidence: how recipes and naive forecasts would have done."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.evaluation import bands
from cbi_pipeline.operations import progress
from cbi_pipeline.operations.evaluate import (
    EvaluationRun,
    is_judged_in_week,
    judges_champion,
    plan_of,
)
from cbi_pipeline.operations.faults import close_others, failure, note_fault
from cbi_pipeline.operations.figures import skill_of
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import evidence_as_of, load_training_data
from data_contracts.evaluation import CALIBRATED, SCORE

KEY = dg.AssetKey(["evaluation", "walk_forward"])
#: In the fault log: evidence that could not be gathered.
SUBJECT = "walk-forward evidence"
#: Last word of the subject of one contender's fault there.
CONTENDER = "evaluation"
HEADLINES = ["crps", "mae", "hit_rate", "coverage_80", "skill_vs_climatology", "skill_vs_prior"]


class Evidence(dg.Config):
    """When to gather new evidence.

    Attributes:
        anew: gather it although this week's stands already; what the weekly job asks for.
    """

    anew: bool = False


@dg.asset(
    key=KEY,
    deps=[dg.AssetKey(["features", "row"]), dg.AssetKey(["features", "target"])],
    group_name="evaluation",
    kinds={"duckdb", "pytorch"},
    pool="warehouse",
    metadata=metadata.definition("evaluation.forecast"),
    check_specs=[
        dg.AssetCheckSpec(
            bands.REPLAYED,
            asset=KEY,
            description="Issued 80 % bands held 78 to 82 % of past outcomes over all markets, and "
            "on each market as often as chance and overlap allow.",
        )
    ],
)
def walk_forward(
    config: Evidence, pipeline: dg.ResourceParam[Pipeline]
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Past origins forecast by recipes and naive forecasts, each knowing what was public then.

    Evidence that cannot be gathered is told and costs no forecast: what is in use goes on.
    """
    evaluation = EvaluationRun(load_training_data(pipeline, evidence_as_of(pipeline)), pipeline)
    try:
        standing = renewed(evaluation, config, pipeline)
    except Exception as error:
        words = f"no evidence was gathered tonight: {failure(error)}"
        note_fault(pipeline, SUBJECT, words)
        yield bands.calibration(SCORE.empty(), "nothing")
        yield dg.MaterializeResult(metadata={"evidence": words})
        return
    note_fault(pipeline, SUBJECT, None)
    if not evaluation.data.has_origins:
        yield bands.calibration(SCORE.empty(), "nothing")
        yield dg.MaterializeResult(metadata={"evidence": standing})
        return
    with pipeline.warehouse.read() as store:
        scores = store.table("evaluation.score", "evaluation_id = ?", [evaluation.name])
        absent = store.table("evaluation.absence", "evaluation_id = ?", [evaluation.name])
    yield bands.calibration(scores, evaluation.lineup.champion.name + CALIBRATED)
    yield dg.MaterializeResult(
        metadata={
            "evidence": standing,
            "evaluation": evaluation.name,
            "origins": len(evaluation.plan.origins),
            "refits": len(evaluation.plan.refits),
            "sat out": metadata.table(absent.drop("evaluation_id")),
            "scores": metadata.table(headlines(scores)),
            **pictures(scores, [one.name for one in evaluation.lineup.challengers]),
        },
    )


def renewed(evaluation: EvaluationRun, config: Evidence, pipeline: Pipeline) -> str:
    """Gather what evidence is due; in words, what there is now."""
    if not evaluation.data.has_origins:
        return "none: nothing can be forecast from yet"
    standing = stands(evaluation, config, pipeline)
    if standing is None:
        pipeline.add(gathered(evaluation, pipeline))
    return standing or "gathered anew"


def stands(evaluation: EvaluationRun, config: Evidence, pipeline: Pipeline) -> str | None:
    """Why no new evidence is needed, or None."""
    with pipeline.warehouse.read() as store:
        if evaluation.is_done(store):
            return "stands: same data, recipes, plan and code"
        decisions = store.table("registry.decision")
        fits = evaluation.is_answered(store, decisions) and judges_champion(store, decisions)
    names = [one.name for one in evaluation.lineup.challengers]
    weekly = pipeline.settings.profile == "live" and not config.anew
    now = pipeline.now()
    if weekly and fits and all(is_judged_in_week(decisions, name, now) for name in names):
        listed = " and ".join(names)
        return f"{listed} was judged this week already; the weekly job judges it again"
    return None


def gathered(evaluation: EvaluationRun, pipeline: Pipeline) -> dict[str, pl.DataFrame]:
    """Forecasts, those of the recipes calibrated as well, scores, and who sat out.

    A contender that fails sits out and is a fault of its own; the champion and the naive forecasts
    that every champion must beat may not fail.
    """
    from cbi_pipeline.evaluation import BASELINES, absences, calibrate, failures, score
    from cbi_pipeline.evaluation import walk_forward as walked

    failed: dict[str, str] = {}

    def note_failure(name: str, error: Exception) -> None:
        if name in (*BASELINES, evaluation.lineup.champion.name):
            raise error
        failed[name] = f"it failed: {failure(error)}"

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
                on_fold=lambda fold: done(f"{fold.recipe} {fold.fold}"),
                on_failure=note_failure,
            )
            for data, contenders in evaluation.panels
        )
    note_contenders(failed, evaluation)
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


def note_contenders(failed: Mapping[str, str], evaluation: EvaluationRun) -> None:
    """Note the contenders that could not be judged, and those that can again."""
    for one in evaluation.contenders:
        why = failed.get(one.name)
        words = None if why is None else f"{one.name} was not judged: {why}"
        note_fault(evaluation.pipeline, f"{one.name} {CONTENDER}", words)
    entered = {f"{one.name} {CONTENDER}" for one in evaluation.contenders}
    close_others(evaluation.pipeline, CONTENDER, entered)


def headlines(scores: pl.DataFrame) -> pl.DataFrame:
    """The figures people look at first, one line per recipe, commodity and horizon."""
    return (
        scores.filter(pl.col("metric").is_in(HEADLINES))
        .pivot("metric", index=["recipe", "commodity", "horizon"], values="value")
        .sort("commodity", "horizon", "recipe")
    )


def pictures(scores: pl.DataFrame, recipes: Sequence[str]) -> dict[str, dg.MarkdownMetadataValue]:
    """Skill of the challengers over the naive forecasts, per commodity."""
    return {
        f"skill of {recipe} on {commodity}": metadata.picture(
            png, f"{recipe}: skill on {commodity}"
        )
        for recipe in recipes
        for commodity, png in skill_of(recipe, scores).items()
    }
