"""Walk-forward evidence: how recipes and naive forecasts would have done."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.checks import not_asked
from cbi_pipeline.defs.evaluation import bands
from cbi_pipeline.defs.partitions import RECIPES
from cbi_pipeline.defs.plots import Plots
from cbi_pipeline.operations.figures import draw_skill, split_skill
from cbi_pipeline.operations.gather_evidence import GatheredEvidence, Opening, gather_evidence
from cbi_pipeline.operations.pipeline import Pipeline

KEY = dg.AssetKey(["evaluation", "walk_forward"])
HEADLINES = ["crps", "mae", "hit_rate", "coverage_80", "skill_vs_climatology", "skill_vs_prior"]


class Evidence(dg.Config):
    """Into which round recipes enter.

    Attributes:
        opening: ``join`` the newest; ``open`` one on the newest data; ``due``: one where the gate
            has not looked this week already. By default the job ``evaluate`` opens one, however it
            is launched, and a launch of the asset joins.
    """

    opening: Literal["by_job", "join", "due", "open"] = "by_job"

    def of_run(self, job: str) -> Opening:
        """Into which round the recipes of a job's run enter."""
        if self.opening == "by_job":
            return "open" if job == "evaluate" else "join"
        return self.opening


@dg.asset(
    key=KEY,
    deps=[dg.AssetKey(["features", "row"]), dg.AssetKey(["features", "target"])],
    partitions_def=RECIPES,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="evaluation",
    kinds={"duckdb", "pytorch"},
    pool="warehouse",
    metadata=metadata.definition("evaluation.fold_forecast"),
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
    context: dg.AssetExecutionContext, config: Evidence, pipeline: dg.ResourceParam[Pipeline]
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """A recipe at past origins, each knowing what was public then, beside champion and naive ones.

    Evidence that cannot be gathered is told and costs no forecast: what is in use goes on.
    """
    recipes = context.partition_keys
    evidence = gather_evidence(pipeline, recipes, config.of_run(context.run.job_name))
    yield check_calibration(evidence)
    for recipe in recipes:
        context.add_asset_metadata(own_numbers(evidence, recipe), KEY, partition_key=recipe)
    yield dg.MaterializeResult(metadata=describe_evidence(evidence))


def check_calibration(evidence: GatheredEvidence) -> dg.AssetCheckResult:
    """Whether the bands of the recipe in use held; a round that is not complete says nothing."""
    if evidence.scores.is_empty():
        return not_asked(bands.REPLAYED, KEY, evidence.words)
    return bands.calibration(evidence.scores, evidence.issued_as)


def describe_evidence(evidence: GatheredEvidence) -> metadata.Entries:
    """What there is, in numbers, tables and pictures."""
    evaluation = evidence.evaluation
    if evaluation is None:
        return {"evidence": evidence.words}
    names = [challenger.name for challenger in evaluation.lineup.challengers]
    return {
        "evidence": evidence.words,
        "evaluation": evaluation.name,
        "known as of": evaluation.data.as_of.isoformat(),
        "origins": len(evaluation.plan.origins),
        "refits": len(evaluation.plan.refits),
        "sat out": metadata.table(evidence.absent.drop("evaluation_id")),
        "scores": metadata.table(headlines(evidence.scores, evaluation.data.catalogue.horizons)),
        **pictures(evidence.scores, names, Plots(evaluation.pipeline.settings.plots_dir)),
    }


def own_numbers(evidence: GatheredEvidence, recipe: str) -> dict[str, float]:
    """Figures of one partition's recipe, and of what is issued; Dagster draws them."""
    issued = numbers(evidence.scores, evidence.issued_as)
    return numbers(evidence.scores, recipe) | {f"issued {name}": x for name, x in issued.items()}


def numbers(scores: pl.DataFrame, recipe: str) -> dict[str, float]:
    """A recipe's figures over all commodities and horizons."""
    own = scores.filter(
        pl.col("recipe") == recipe, pl.col("commodity") == "*", pl.col("horizon") == "*"
    )
    shown = own.filter(pl.col("metric").is_in(HEADLINES), pl.col("value").is_finite())
    return {str(row["metric"]): float(row["value"]) for row in shown.iter_rows(named=True)}


def headlines(scores: pl.DataFrame, horizons: Sequence[str]) -> pl.DataFrame:
    """The figures people look at first, one line per recipe, commodity and horizon.

    Args:
        scores: rows of ``evaluation.score``.
        horizons: labels, shortest first.
    """
    order = pl.col("horizon").replace_strict(list(horizons), range(len(horizons)), default=-1)
    return (
        scores.filter(pl.col("metric").is_in(HEADLINES))
        .pivot("metric", index=["recipe", "commodity", "horizon"], values="value")
        .sort("commodity", order, "recipe")
    )


def pictures(
    scores: pl.DataFrame, recipes: Sequence[str], plots: Plots
) -> dict[str, dg.MarkdownMetadataValue]:
    """Skill of the challengers over the naive forecasts, per commodity."""
    return {
        f"skill of {recipe} on {commodity}": plots.show(
            f"skill/{recipe}/{commodity}",
            f"{recipe}: skill on {commodity}",
            own,
            partial(draw_skill, recipe, commodity, own),
        )
        for recipe in recipes
        for commodity, own in split_skill(recipe, scores).items()
    }
