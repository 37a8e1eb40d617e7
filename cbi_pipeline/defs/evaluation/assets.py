"""Walk-forward evidence: how recipes and naive forecasts would have done."""

from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.evaluation import bands
from cbi_pipeline.operations import progress
from cbi_pipeline.operations.evaluate import Trial, judged_in_week, judges_champion
from cbi_pipeline.operations.faults import close_others, failure, note_fault
from cbi_pipeline.operations.figures import skill_of
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import evidence_at, knowledge
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
    trial = Trial(knowledge(pipeline, evidence_at(pipeline)), pipeline)
    try:
        standing = renewed(trial, config, pipeline)
    except Exception as error:
        words = f"no evidence was gathered tonight: {failure(error)}"
        note_fault(pipeline, SUBJECT, words)
        yield bands.calibration(SCORE.empty(), "nothing")
        yield dg.MaterializeResult(metadata={"evidence": words})
        return
    note_fault(pipeline, SUBJECT, None)
    if not trial.known.has_origins:
        yield bands.calibration(SCORE.empty(), "nothing")
        yield dg.MaterializeResult(metadata={"evidence": standing})
        return
    with pipeline.warehouse.read() as store:
        scores = store.table("evaluation.score", "evaluation_id = ?", [trial.name])
        absent = store.table("evaluation.absence", "evaluation_id = ?", [trial.name])
    yield bands.calibration(scores, trial.lineup.champion.name + CALIBRATED)
    yield dg.MaterializeResult(
        metadata={
            "evidence": standing,
            "evaluation": trial.name,
            "origins": len(trial.plan.origins),
            "refits": len(trial.plan.refits),
            "sat out": metadata.table(absent.drop("evaluation_id")),
            "scores": metadata.table(headlines(scores)),
            **pictures(scores, trial.lineup.challenger.name),
        },
    )


def renewed(trial: Trial, config: Evidence, pipeline: Pipeline) -> str:
    """Gather what evidence is due; in words, what there is now."""
    if not trial.known.has_origins:
        return "none: nothing can be forecast from yet"
    standing = stands(trial, config, pipeline)
    if standing is None:
        pipeline.add(gathered(trial, pipeline))
    return standing or "gathered anew"


def stands(trial: Trial, config: Evidence, pipeline: Pipeline) -> str | None:
    """Why no new evidence is needed, or None."""
    with pipeline.warehouse.read() as store:
        if trial.is_done(store):
            return "stands: same data, recipes, plan and code"
        decisions = store.table("registry.decision")
        fits = trial.is_answered(store, decisions) and judges_champion(store, decisions)
    recipe = trial.lineup.challenger.name
    weekly = pipeline.settings.profile == "live" and not config.anew
    if weekly and fits and judged_in_week(decisions, recipe, pipeline.now()):
        return f"{recipe} was judged this week already; the weekly job judges it again"
    return None


def gathered(trial: Trial, pipeline: Pipeline) -> dict[str, pl.DataFrame]:
    """Forecasts of the trial, those of the recipes calibrated as well, scores, and who sat out.

    A contender that fails sits out and is a fault of its own; the champion and the naive forecasts
    that every champion must beat may not fail.
    """
    from cbi_pipeline.evaluation import BASELINES, absences, calibrate, failures, score
    from cbi_pipeline.evaluation import walk_forward as walked

    failed: dict[str, str] = {}

    def note_failure(name: str, error: Exception) -> None:
        if name in (*BASELINES, trial.lineup.champion.name):
            raise error
        failed[name] = f"it failed: {failure(error)}"

    steps = len(trial.contenders) * len(trial.plan.refits)
    with progress.track("walk-forward", steps) as done:
        forecasts = walked(
            trial.known.panel,
            trial.contenders,
            trial.plan,
            targets=trial.known.targets,
            evaluation_id=trial.name,
            cache_dir=pipeline.settings.checkpoints_dir / "walk_forward",
            on_fold=lambda fold: done(f"{fold.recipe} {fold.fold}"),
            on_failure=note_failure,
        )
    note_contenders(failed, trial)
    learned = pl.col("recipe").is_in(list(trial.lineup.recipes))
    calibrated = calibrate(forecasts.filter(learned), trial.known.targets)
    everything = pl.concat([forecasts, calibrated])
    return {
        "evaluation.forecast": everything,
        "evaluation.score": score(everything, trial.known.targets, pipeline.catalogue),
        "evaluation.absence": pl.concat(
            [
                absences(
                    trial.known.panel,
                    [one for one in trial.contenders if one.name not in failed],
                    trial.plan,
                    targets=trial.known.targets,
                    evaluation_id=trial.name,
                ),
                failures(trial.plan, failed, trial.name),
            ]
        ),
    }


def note_contenders(failed: Mapping[str, str], trial: Trial) -> None:
    """Note the contenders that could not be judged, and those that can again."""
    for one in trial.contenders:
        why = failed.get(one.name)
        words = None if why is None else f"{one.name} was not judged: {why}"
        note_fault(trial.pipeline, f"{one.name} {CONTENDER}", words)
    entered = {f"{one.name} {CONTENDER}" for one in trial.contenders}
    close_others(trial.pipeline, CONTENDER, entered)


def headlines(scores: pl.DataFrame) -> pl.DataFrame:
    """The figures people look at first, one line per recipe, commodity and horizon."""
    return (
        scores.filter(pl.col("metric").is_in(HEADLINES))
        .pivot("metric", index=["recipe", "commodity", "horizon"], values="value")
        .sort("commodity", "horizon", "recipe")
    )


def pictures(scores: pl.DataFrame, recipe: str) -> dict[str, dg.MarkdownMetadataValue]:
    """Skill of the challenger over the naive forecasts, per commodity."""
    return {
        f"skill on {commodity}": metadata.picture(png, f"{recipe}: skill on {commodity}")
        for commodity, png in skill_of(recipe, scores).items()
    }
