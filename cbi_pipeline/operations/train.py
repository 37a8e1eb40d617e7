"""Train recipes on everything known and register them with all that they were made from."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.operations import progress
from cbi_pipeline.operations.calibrate import fit_recipe_calibration
from cbi_pipeline.operations.figures import draw_skill, reliability_of, split_skill
from cbi_pipeline.operations.model_code import name_recipe_code
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import find_remark
from cbi_pipeline.operations.training_data import TrainingData
from cbi_pipeline.operations.walk_forward_store import read_forecasts
from cbi_pipeline.registry import (
    RegistryDamaged,
    RegistryEmpty,
    RegistryUnreadable,
    newest_evidence,
    sort_decisions,
)
from cbi_pipeline.settings import IS_CHECKOUT, PROJECT_ROOT

if TYPE_CHECKING:
    from cbi_pipeline.forecasting import Calibration, Fitted, Model, ModelRecipe
    from cbi_pipeline.forecasting.folds import Fold
    from cbi_pipeline.registry import RegisteredVersion


# How far past the longest horizon a version can date its forecasts, in years of sessions.
YEARS_AHEAD = 1


def newest_fold(data: TrainingData, *, learns: bool = True) -> Fold:
    """Rows to train on, rows held out, and the newest row of each commodity.

    Args:
        data: what was known.
        learns: whether what is fitted needs the rows to train on.

    Raises:
        NothingToTrainOn: it needs them, and none are public yet.
    """
    from cbi_pipeline.evaluation import EMBARGO_DAYS, VALIDATION_SHARE
    from cbi_pipeline.forecasting import folds, make_final_fold, newest_origins

    try:
        return make_final_fold(
            data.panel, data.as_of_us, embargo_days=EMBARGO_DAYS, validation_share=VALIDATION_SHARE
        )
    except folds.NothingToTrainOn:
        if learns:
            raise
        return folds.without_training(data.as_of_us, newest_origins(data.panel, data.as_of_us))


def train(recipe: ModelRecipe, data: TrainingData, pipeline: Pipeline) -> Fitted:
    """Fit the recipe on the newest fold, continuing a checkpoint where there is one."""
    from cbi_pipeline.evaluation import estimator_of

    # A checkpoint of other code is no part of this training.
    folder = f"{recipe.name}-{name_recipe_code(pipeline, recipe)[:16]}"
    estimator = estimator_of(recipe)
    with progress.track(f"training {recipe.name}", estimator.epochs) as done:
        return estimator.fit(
            data.panel,
            newest_fold(data, learns=estimator.learns),
            checkpoints=pipeline.settings.checkpoints_dir / "refresh" / folder,
            on_epoch=lambda epoch: done(f"epoch {epoch.epoch}"),
        )


def name_sessions(data: TrainingData) -> dict[str, list[date]]:
    """Sessions of each commodity from its newest origin to past its longest horizon."""
    from cbi_pipeline.market import next_sessions

    dated = {}
    for commodity in data.catalogue.commodities:
        own = pl.col("commodity") == commodity.id, pl.col("ready"), pl.col("price") > 0
        newest = data.rows.filter(own)["session"].max()
        assert isinstance(newest, date)
        ahead = max(commodity.steps) + YEARS_AHEAD * commodity.sessions_per_year
        dated[commodity.id] = [newest, *next_sessions(commodity.calendar, newest, ahead)]
    return dated


def champion_first(champion: str | None, recipes: dict[str, ModelRecipe]) -> list[ModelRecipe]:
    """The recipes, the champion's first, so that it bears the lower version number."""
    return sorted(recipes.values(), key=lambda recipe: recipe.name != champion)


def ensure_version(
    recipe: ModelRecipe,
    data: TrainingData,
    decisions: pl.DataFrame,
    pipeline: Pipeline,
    curves: dict[str, bytes],
) -> RegisteredVersion:
    """The version of the recipe on this state, these axes and this code: one there is, or anew.

    Where there is one whose calibration is another, its model is registered with today's.
    """
    from cbi_pipeline.forecasting import Fitted
    from cbi_pipeline.registry import find_version, panel_spec_id

    calibration = fit_recipe_calibration(recipe.name, data, pipeline)
    there = find_version(
        pipeline.registry,
        recipe,
        state=data.state,
        panel_spec_id=panel_spec_id(data.panel.spec),
        code=name_recipe_code(pipeline, recipe),
        calibration=calibration.identity(),
    )
    if there is not None and there.calibration == calibration.identity():
        return there
    stored = load_stored(there, pipeline)
    fitted = train(recipe, data, pipeline) if stored is None else Fitted(stored)
    curve = draw_curve(fitted, recipe.name)
    if curve:
        curves[recipe.name] = curve
    return register_model(
        recipe, fitted, data, decisions, pipeline, calibration=calibration, curve=curve
    )


def load_stored(version: RegisteredVersion | None, pipeline: Pipeline) -> Model | None:
    """The model of a version; None where there is none, or its files cannot be read any longer."""
    if version is None:
        return None
    try:
        return pipeline.registry.load(version.version)
    except (RegistryEmpty, RegistryDamaged, RegistryUnreadable):
        return None


def register_model(
    recipe: ModelRecipe,
    fitted: Fitted,
    data: TrainingData,
    decisions: pl.DataFrame,
    pipeline: Pipeline,
    *,
    calibration: Calibration,
    curve: bytes | None = None,
    weights_of: RegisteredVersion | None = None,
) -> RegisteredVersion:
    """Register a trained model with all that it was made from.

    Args:
        recipe: its recipe.
        fitted: the model.
        data: what is known now.
        decisions: rows of registry.decision.
        pipeline: the home.
        calibration: how its forecasts are moved.
        curve: picture of its learning curve.
        weights_of: the version whose model it is, where it was not trained on ``data``.
    """
    from cbi_pipeline.features import panel_frame, panel_spec
    from cbi_pipeline.registry import Provenance

    is_judgement = (pl.col("who") == "gate") | (pl.col("verdict") == "first")
    mine = (pl.col("recipe") == recipe.name) & is_judgement
    judged = sort_decisions(decisions).filter(mine).tail(1)
    spec = panel_spec(data.catalogue, data.feature_set)
    with pipeline.warehouse.read() as store:
        evaluation = newest_evidence(decisions)
        scores = store.table("evaluation.score", "evaluation_id = ?", [evaluation])
        forecasts = read_forecasts(store, evaluation, recipe.name)
    return pipeline.registry.register(
        fitted.model,
        note=" ".join([note(judged), find_remark(recipe.name, pipeline)]).rstrip(),
        state=weights_of.state if weights_of else data.state,
        as_of=weights_of.as_of if weights_of else data.as_of,
        panel_frame=panel_frame(data.rows, data.prices, spec, data.as_of),
        calendar=name_sessions(data),
        provenance=Provenance.collect(
            PROJECT_ROOT if IS_CHECKOUT else None,
            data.catalogue.identity,
            weights_of.code if weights_of else name_recipe_code(pipeline, recipe),
        ),
        calibration=calibration,
        decision=judged.row(0, named=True) if judged.height else None,
        scores=scores,
        curve=fitted.curve,
        figures=draw_figures(recipe, forecasts, scores, data, curve),
    )


def draw_figures(
    recipe: ModelRecipe,
    forecasts: pl.DataFrame,
    scores: pl.DataFrame,
    data: TrainingData,
    curve: bytes | None,
) -> dict[str, bytes]:
    """What the tracking run shows of a recipe that learned: curve, skill, stated chances."""
    if curve is None:
        return {}
    chances = reliability_of(recipe.name, forecasts, data)
    return {
        "learning_curve": curve,
        **{
            f"skill_{commodity}": draw_skill(recipe.name, commodity, own)
            for commodity, own in split_skill(recipe.name, scores).items()
        },
        **({"reliability": chances} if chances else {}),
    }


def note(judged: pl.DataFrame) -> str:
    """What a reader of a version must know, by the newest judgement of its recipe."""
    if judged.is_empty():
        return "not judged yet: the gate has seen no evidence on it"
    # The whole reason stands in the decision, which is kept with the version.
    opening, _, _ = str(judged["reason"][0]).partition(". ")
    if judged["verdict"][0] == "first":
        return opening
    return f"gate: {judged['verdict'][0]}. {opening.rstrip('.')}."


def draw_curve(fitted: Fitted, recipe: str) -> bytes | None:
    """The learning curve as a picture; None when nothing was learned."""
    from cbi_pipeline.report import charts

    trained = [record for record in fitted.curve if record.train_loss is not None]
    if not trained:
        return None
    figure = charts.loss_curve(
        [record.epoch for record in trained],
        [float(record.train_loss or 0.0) for record in trained],
        [record.validation_loss for record in trained],
    )
    return charts.png(figure, title=f"Learning curve of {recipe}")
