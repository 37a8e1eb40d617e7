"""Walk-forward evidence: how recipes and naive forecasts would have done."""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.evaluation import bands
from cbi_pipeline.operations.figures import skill_of
from cbi_pipeline.operations.gather_evidence import EvidenceFound, gather_evidence
from cbi_pipeline.operations.pipeline import Pipeline

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
    found = gather_evidence(pipeline, anew=config.anew)
    yield bands.calibration(found.scores, found.issued_as)
    yield dg.MaterializeResult(metadata=described(found))


def described(found: EvidenceFound) -> metadata.Entries:
    """What there is, in numbers, tables and pictures."""
    evaluation = found.evaluation
    if evaluation is None:
        return {"evidence": found.words}
    names = [one.name for one in evaluation.lineup.challengers]
    return {
        "evidence": found.words,
        "evaluation": evaluation.name,
        "origins": len(evaluation.plan.origins),
        "refits": len(evaluation.plan.refits),
        "sat out": metadata.table(found.absent.drop("evaluation_id")),
        "scores": metadata.table(headlines(found.scores)),
        **numbers(found.scores, found.issued_as),
        **pictures(found.scores, names),
    }


def numbers(scores: pl.DataFrame, recipe: str) -> dict[str, float]:
    """The issued recipe's figures over all commodities and horizons; Dagster draws them by run."""
    own = scores.filter(
        pl.col("recipe") == recipe, pl.col("commodity") == "*", pl.col("horizon") == "*"
    )
    shown = own.filter(pl.col("metric").is_in(HEADLINES), pl.col("value").is_finite())
    return {str(row["metric"]): float(row["value"]) for row in shown.iter_rows(named=True)}


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
