"""What a recipe costs here, and what it is worth on the origins that the gate never reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.catalogue import GATE_OPPONENTS, NAIVE
from cbi_pipeline.operations import progress
from cbi_pipeline.operations.evaluate import current_lineup, plan_of
from cbi_pipeline.operations.model_code import name_code
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import load_recipe
from cbi_pipeline.operations.training_data import (
    TrainingData,
    evidence_as_of,
    load_training_data,
    narrow,
)

if TYPE_CHECKING:
    from cbi_pipeline.evaluation import Plan
    from cbi_pipeline.forecasting import Estimator, ModelRecipe


class NothingToForecast(ValueError):
    """No commodity has a row that can be forecast from; the message says what to do."""


@dataclass(frozen=True)
class RecipeCost:
    """What a recipe takes on the data of a home.

    Attributes:
        refits: models that a round of the walk-forward fits.
        seconds: what those take that were not fitted before; 0 where all were.
        parameters: numbers that training sets; None of a recipe that is no network.
        device: what it was measured on.
    """

    refits: int
    seconds: float
    parameters: int | None
    device: str


@dataclass(frozen=True)
class DevelopmentScore:
    """How a recipe does on the origins that the gate leaves for trying.

    Attributes:
        scores: rows of ``evaluation.score`` of the recipe, against its opponents.
        origins: of each commodity, how many there are, and the last one.
        opponents: names of those that it was compared with, the champion first.
    """

    scores: pl.DataFrame
    origins: pl.DataFrame
    opponents: tuple[str, ...]


def count_parameters(recipe: ModelRecipe, pipeline: Pipeline) -> int | None:
    """Numbers that training sets, on the commodities of the catalogue; None of no network."""
    from cbi_pipeline.features import panel_spec
    from cbi_pipeline.forecasting import Recipe
    from cbi_pipeline.operations.training_data import catalogue_of, feature_set

    if not isinstance(recipe, Recipe):
        return None
    read = catalogue_of(recipe.feature_set, pipeline.catalogue)
    network = recipe.build(panel_spec(read, feature_set(read)))
    return sum(numbers.numel() for numbers in network.parameters() if numbers.requires_grad)


def measure_cost(name: str, pipeline: Pipeline) -> RecipeCost:
    """Fit a recipe on a sample of its folds, which are kept, and tell what all of them take.

    Args:
        name: of the recipe, whether the catalogue evaluates it or not.
        pipeline: the home.

    Raises:
        CatalogueError: as for `load_recipe`.
        NothingToForecast: the home has no data to fit it on.
    """
    from cbi_pipeline.evaluation import estimator_of

    recipe = load_recipe(name, pipeline)
    data = narrow(_load(pipeline), recipe.feature_set, pipeline)
    whole = plan_of(data)
    costs = _estimate([estimator_of(recipe)], data, whole, pipeline)
    return RecipeCost(
        len(whole.refits),
        sum(costs.values()),
        count_parameters(recipe, pipeline),
        str(data.panel.device),
    )


def try_recipe(name: str, pipeline: Pipeline) -> DevelopmentScore:
    """Score a recipe on the origins that the gate never reads; nothing of it is recorded.

    However many recipes are tried, it costs nothing at the gate. Folds that are finished are kept.

    Args:
        name: of the recipe, whether the catalogue evaluates it or not.
        pipeline: the home.

    Raises:
        CatalogueError: as for `load_recipe`.
        NothingToForecast: the home has no data to fit it on, or too few origins.
    """
    from cbi_pipeline.evaluation import estimator_of, score, select_development, walk_forward

    recipe, data = load_recipe(name, pipeline), _load(pipeline)
    opponents = _choose_opponents(recipe, pipeline)
    estimators = [estimator_of(entrant) for entrant in (recipe, *opponents)]
    share = pipeline.catalogue.evaluation.development
    frames = []
    for read in dict.fromkeys(estimator.recipe.feature_set for estimator in estimators):
        own = [estimator for estimator in estimators if estimator.recipe.feature_set == read]
        part = narrow(data, read, pipeline)
        try:
            early = select_development(plan_of(part), part.targets, share)
        except ValueError as error:
            raise NothingToForecast(str(error)) from error
        costs = _estimate(own, part, early, pipeline)
        if sum(costs.values()) >= 1.0:
            words = progress.describe_duration(sum(costs.values()))
            progress.announce(f"about {words} to go")
        with progress.track("trying", len(own) * len(early.refits)) as done:
            frames.append(
                walk_forward(
                    part.panel,
                    own,
                    early,
                    targets=part.targets,
                    evaluation_id=f"development of {name}",
                    cache_dir=pipeline.settings.folds_dir,
                    code=_name_code(own, pipeline),
                    on_fold=lambda fold: done(f"{fold.recipe} {fold.fold}"),
                )
            )
    forecasts = pl.concat(frames)
    names = [opponent.name for opponent in opponents]
    scores = score(forecasts, data.targets, pipeline.catalogue, against=names)
    origins = forecasts.filter(recipe=name).group_by("commodity", maintain_order=True)
    return DevelopmentScore(
        scores.filter(recipe=name),
        origins.agg(count=pl.col("origin_session").n_unique(), last=pl.col("origin_session").max()),
        tuple(names),
    )


def _load(pipeline: Pipeline) -> TrainingData:
    data = load_training_data(pipeline, evidence_as_of(pipeline))
    if not data.has_origins:
        raise NothingToForecast("nothing can be forecast from yet; run `cbi run` first")
    return data


def _choose_opponents(recipe: ModelRecipe, pipeline: Pipeline) -> list[ModelRecipe]:
    """The champion, and what else the gate compares with, but the recipe itself."""
    champion = current_lineup(pipeline).champion
    names = dict.fromkeys((*NAIVE, *GATE_OPPONENTS))
    others = [load_recipe(name, pipeline) for name in names if name != champion.name]
    return [other for other in (champion, *others) if other.name != recipe.name]


def _estimate(
    estimators: Sequence[Estimator], data: TrainingData, chosen: Plan, pipeline: Pipeline
) -> dict[str, float]:
    from cbi_pipeline.evaluation import estimate_cost

    return estimate_cost(
        data.panel,
        estimators,
        chosen,
        targets=data.targets,
        cache_dir=pipeline.settings.folds_dir,
        code=_name_code(estimators, pipeline),
    )


def _name_code(estimators: Sequence[Estimator], pipeline: Pipeline) -> dict[str, str]:
    with pipeline.warehouse.read() as store:
        return name_code(store, estimators)
