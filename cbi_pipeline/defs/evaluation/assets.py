"""Walk-forward evidence: how recipes and naive forecasts would have done."""

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata, progress
from cbi_pipeline.defs.evaluation.trial import Trial, challenger, judged_in_week
from cbi_pipeline.defs.knowledge import evidence_at, knowledge
from cbi_pipeline.defs.pipeline import Pipeline

KEY = dg.AssetKey(["evaluation", "walk_forward"])
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
)
def walk_forward(
    config: Evidence, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    """Past origins forecast by recipes and naive forecasts, each knowing what was public then."""
    trial = Trial(knowledge(pipeline, evidence_at(pipeline)), pipeline.settings.profile)
    standing = stands(trial, config, pipeline)
    if standing is None:
        forecasts, scores = gathered(trial, pipeline)
        pipeline.add({"evaluation.forecast": forecasts, "evaluation.score": scores})
    with pipeline.warehouse.read() as store:
        scores = store.table("evaluation.score", "evaluation_id = ?", [trial.name])
    return dg.MaterializeResult(
        metadata={
            "evidence": standing or "gathered anew",
            "evaluation": trial.name,
            "origins": len(trial.plan.origins),
            "refits": len(trial.plan.refits),
            "scores": metadata.table(headlines(scores)),
            **pictures(scores, challenger(pipeline.settings.profile).name),
        }
    )


def stands(trial: Trial, config: Evidence, pipeline: Pipeline) -> str | None:
    """Why no new evidence is needed, or None."""
    with pipeline.warehouse.read() as store:
        if trial.is_done(store):
            return "stands: same data, recipes, plan and code"
        decisions = store.table("registry.decision")
    recipe = challenger(pipeline.settings.profile).name
    weekly = pipeline.settings.profile == "live" and not config.anew
    if weekly and judged_in_week(decisions, recipe, pipeline.now()):
        return f"{recipe} was judged this week already; the weekly job judges it again"
    return None


def gathered(trial: Trial, pipeline: Pipeline) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forecasts of the trial, and their scores."""
    from cbi_pipeline.evaluation import score
    from cbi_pipeline.evaluation import walk_forward as walked

    steps = len(trial.contenders) * len(trial.plan.refits)
    with progress.track("walk-forward", steps) as done:
        forecasts = walked(
            trial.known.panel,
            trial.contenders,
            trial.plan,
            evaluation_id=trial.name,
            cache_dir=pipeline.settings.checkpoints_dir / "walk_forward",
            on_fold=lambda fold: done(f"{fold.recipe} {fold.fold}"),
        )
    return forecasts, score(forecasts, trial.known.targets, pipeline.catalogue)


def headlines(scores: pl.DataFrame) -> pl.DataFrame:
    """The figures people look at first, one line per recipe, commodity and horizon."""
    return (
        scores.filter(pl.col("metric").is_in(HEADLINES))
        .pivot("metric", index=["recipe", "commodity", "horizon"], values="value")
        .sort("commodity", "horizon", "recipe")
    )


def pictures(scores: pl.DataFrame, recipe: str) -> dict[str, dg.MarkdownMetadataValue]:
    """Skill of the challenger over the naive forecasts, per commodity."""
    from cbi_pipeline.report import charts

    skills = scores.filter(
        pl.col("recipe") == recipe,
        pl.col("metric").str.starts_with("skill_vs_"),
        pl.col("horizon") != "*",
        pl.col("commodity") != "*",
    )
    drawn = {}
    for (commodity,), own in skills.group_by("commodity", maintain_order=True):
        bars = [
            charts.Skill(
                horizon=one["horizon"],
                baseline=one["metric"].removeprefix("skill_vs_"),
                value=one["value"],
                low=one["low"],
                high=one["high"],
            )
            for one in own.iter_rows(named=True)
        ]
        title = f"{recipe}: skill on {commodity}"
        drawn[f"skill on {commodity}"] = metadata.picture(
            charts.png(charts.skill(bars), title=title), title
        )
    return drawn
