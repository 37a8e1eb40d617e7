"""What tonight's walk-forward compares, and under which name its outcome is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.operations.lineup import Lineup, choose_lineup
from cbi_pipeline.operations.model_code import name_code
from cbi_pipeline.operations.pipeline import ZONE, Pipeline
from cbi_pipeline.operations.recipes import (
    load_baselines,
    load_challengers,
    load_earlier_founders,
    load_recipe,
)
from cbi_pipeline.operations.training_data import TrainingData, narrow
from cbi_pipeline.registry import current_champion, newest_evidence
from data_contracts.evaluation import LOOKS

if TYPE_CHECKING:
    from cbi_pipeline.evaluation import Plan
    from cbi_pipeline.forecasting import Estimator, ModelRecipe
    from cbi_pipeline.warehouse import Store

#: Begins the reason of an estimator that sits out because it failed.
FAILED = "it failed"


def load_founder(pipeline: Pipeline) -> ModelRecipe:
    """The recipe that is champion before anything was proven.

    Raises:
        CatalogueError: there is none of that name, or its file holds what no recipe takes.
    """
    return load_recipe(pipeline.catalogue.evaluation.founder, pipeline)


@dataclass(frozen=True)
class EvaluationRun:
    """One walk-forward: what was known, and who is compared on it."""

    data: TrainingData
    pipeline: Pipeline

    @cached_property
    def lineup(self) -> Lineup:
        """Champion, challengers and founder."""
        return current_lineup(self.pipeline)

    @cached_property
    def estimators(self) -> Sequence[Estimator]:
        """All recipes that are compared, and challengers on their newest years.

        They are the baselines, founders of earlier releases, and every recipe of the lineup.
        """
        from cbi_pipeline.evaluation import Rolling, estimator_of

        years = self.data.catalogue.evaluation.rolling_years
        beside = {
            recipe.name: recipe
            for recipe in (*load_earlier_founders(self.pipeline), *load_baselines(self.pipeline))
        }
        judged = [estimator_of(recipe) for recipe in self.lineup.recipes.values()]
        entered = [estimator_of(recipe) for recipe in self.lineup.challengers if years]
        return (
            *map(estimator_of, self.lineup.beside(tuple(beside.values()))),
            *judged,
            *(
                Rolling(estimator.recipe, estimator, years or 0)
                for estimator in entered
                if estimator.learns
            ),
        )

    @cached_property
    def panels(self) -> tuple[tuple[TrainingData, tuple[Estimator, ...]], ...]:
        """The estimators that read the same groups, beside what is known of these groups alone."""
        read = [(estimator.recipe.feature_set, estimator) for estimator in self.estimators]
        return tuple(
            (
                narrow(self.data, name, self.pipeline),
                tuple(estimator for n, estimator in read if n == name),
            )
            for name in dict.fromkeys(name for name, _ in read)
        )

    @cached_property
    def plan(self) -> Plan:
        """Origins and refits."""
        return plan_of(self.data)

    @cached_property
    def name(self) -> str:
        """The evaluation's id: equal for equal data, recipes, plan, axes and code."""
        from cbi_pipeline.evaluation import evaluation_id

        data = self.data
        return evaluation_id(
            data.state, data.as_of, self.estimators, self.plan, data.panel.spec, self.code
        )

    @cached_property
    def code(self) -> dict[str, str]:
        """Name of the code that gives each estimator's forecasts, and of that which scores them."""
        from cbi_pipeline.evaluation import hash_scoring_code

        with self.pipeline.warehouse.read() as store:
            return {"": hash_scoring_code(), **name_code(store, self.estimators)}

    def is_done(self, store: Store) -> bool:
        """True when this very evaluation is stored, with what scores there can be."""
        stored = store.query(
            "SELECT count(*) AS found FROM evaluation.fold WHERE evaluation_id = ?",
            [self.name],
        )
        return bool(stored["found"][0])

    def failures(self, store: Store) -> dict[str, str]:
        """Why estimators failed in this evaluation, by name."""
        absent = store.table("evaluation.absence", "evaluation_id = ?", [self.name])
        own = absent.filter(pl.col("reason").str.starts_with(f"{FAILED}:"))
        return dict(own.select("recipe", "reason").iter_rows())

    def is_answered(self, store: Store, decisions: pl.DataFrame) -> bool:
        """True when the evaluation the gate saw last asked for today's horizons."""
        asked = store.query(
            "SELECT DISTINCT commodity, horizon FROM evaluation.forecast WHERE evaluation_id = ?",
            [newest_evidence(decisions)],
        )
        steps = {
            commodity.id: set(commodity.steps) for commodity in self.data.catalogue.commodities
        }
        return all(
            steps.get(commodity) == set(own["horizon"])
            for (commodity,), own in asked.group_by("commodity")
        )


def plan_of(data: TrainingData) -> Plan:
    """Origins and refits on the rows of what is known."""
    from cbi_pipeline.evaluation import plan

    return plan(data.panel, data.catalogue, data.rows)


def judges_champion(store: Store, decisions: pl.DataFrame) -> bool:
    """True when the evaluation the gate saw last has forecasts of the recipe in use."""
    current = current_champion(decisions)
    judged = store.query(
        "SELECT 1 FROM evaluation.fold WHERE evaluation_id = ? AND recipe = ? LIMIT 1",
        [newest_evidence(decisions), current.recipe if current else ""],
    )
    return not judged.is_empty()


def current_lineup(pipeline: Pipeline) -> Lineup:
    """The recipes that tonight's champion, challengers and founder are."""
    return choose_lineup(pipeline, load_founder(pipeline), load_challengers(pipeline))


def is_judged_in_week(decisions: pl.DataFrame, recipe: str, now: datetime) -> bool:
    """True when the gate has looked at ``recipe`` in the desk's week of ``now`` already."""
    looks = decisions.filter(pl.col("recipe") == recipe, pl.col("verdict").is_in(LOOKS))
    return any(_week(instant) == _week(now) for instant in looks["decided_at"])


def _week(instant: datetime) -> tuple[int, int]:
    day = instant.astimezone(ZONE).isocalendar()  # a Sunday night at the desk is Monday in UTC
    return day.year, day.week
