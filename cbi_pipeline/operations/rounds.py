"""Rounds of the walk-forward: one instant and plan, into which every recipe enters by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.catalogue import CatalogueError
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import evidence_as_of
from data_contracts.evaluation import ROUND

if TYPE_CHECKING:
    from cbi_pipeline.forecasting import Estimator
    from cbi_pipeline.operations.evaluate import EvaluationRun
    from cbi_pipeline.warehouse import Store

AWAITED, FORECAST, FAILED = "awaited", "forecast", "failed"


class NoRound(ValueError):
    """There is no round that a recipe could join; the message says how to open one."""


@dataclass(frozen=True)
class Round:
    """The newest round.

    Attributes:
        round_id: its name.
        as_of: the instant it rests on.
        entries: its rows of ``evaluation.round``.
    """

    round_id: str
    as_of: datetime
    entries: pl.DataFrame

    @property
    def awaited(self) -> list[str]:
        """Recipes that neither forecast nor failed yet."""
        return self.entries.filter(outcome=AWAITED)["recipe"].to_list()

    @property
    def is_complete(self) -> bool:
        """Whether every recipe is there or has failed in words."""
        return not self.awaited

    @property
    def noted_at(self) -> datetime:
        """When the last of its recipes changed."""
        newest = self.entries["noted_at"].max()
        assert isinstance(newest, datetime)
        return newest


def read_newest_round(store: Store) -> Round | None:
    """The round that rests on the newest instant; None before the first."""
    rows = store.table(ROUND.table).sort("as_of", "noted_at")
    if rows.is_empty():
        return None
    newest = rows.row(-1, named=True)
    entries = rows.filter(round_id=newest["round_id"])
    return Round(newest["round_id"], newest["as_of"], entries)


def round_as_of(pipeline: Pipeline) -> datetime:
    """The instant of the newest round; that of new evidence before the first."""
    with pipeline.warehouse.read() as store:
        newest = read_newest_round(store)
    return evidence_as_of(pipeline) if newest is None else newest.as_of


def name_round(evaluation: EvaluationRun) -> str:
    """What all recipes of a round share: its name, whoever enters."""
    from cbi_pipeline.evaluation import evaluation_id

    data = evaluation.data
    return evaluation_id(data.state, data.as_of, (), evaluation.plan, data.panel.spec)


def require_joinable(evaluation: EvaluationRun) -> None:
    """Refuse a recipe that would join a round of other data.

    Raises:
        NoRound: there is no round, or what it rests on has changed.
    """
    with evaluation.pipeline.warehouse.read() as store:
        newest = read_newest_round(store)
    if newest is None:
        raise NoRound("no round was opened yet: launch the job evaluate, which opens one")
    if newest.round_id != name_round(evaluation):
        raise NoRound(
            f"what the round of {newest.as_of:%Y-%m-%d %H:%M} UTC rests on has changed since it "
            "was opened: launch the job evaluate, which opens another"
        )


def enter_round(evaluation: EvaluationRun, outcomes: Mapping[str, str]) -> pl.DataFrame:
    """Rows of ``evaluation.round`` of every estimator, once some of them have tried.

    Args:
        evaluation: who is compared, on what.
        outcomes: of those that tried, why each failed; empty where it did not.
    """
    with evaluation.pipeline.warehouse.read() as store:
        stored = store.table(ROUND.table, "round_id = ?", [name_round(evaluation)])
    before = {row["recipe"]: row for row in stored.iter_rows(named=True)}
    rows = [
        _entry(evaluation, estimator, before.get(estimator.name), outcomes)
        for estimator in evaluation.estimators
    ]
    return ROUND.validate(pl.DataFrame(rows, schema=ROUND.dtypes))


def _entry(
    evaluation: EvaluationRun,
    estimator: Estimator,
    before: dict[str, object] | None,
    outcomes: Mapping[str, str],
) -> dict[str, object]:
    why, identity = outcomes.get(estimator.name), estimator.identity()
    outcome = AWAITED if why is None else FAILED if why else FORECAST
    same = before is not None and before["identity"] == identity
    if same and before is not None and outcome in (AWAITED, before["outcome"]):
        return before
    return {
        "round_id": name_round(evaluation),
        "recipe": estimator.name,
        "identity": identity,
        "as_of": evaluation.data.as_of,
        "outcome": outcome,
        "reason": why or "",
        "noted_at": evaluation.pipeline.now(),
    }


def forget_withdrawn(evaluation: EvaluationRun) -> None:
    """Await no recipe any longer that the catalogue has dropped since the round was opened."""
    pipeline, own = evaluation.pipeline, [estimator.name for estimator in evaluation.estimators]
    with pipeline.warehouse.read() as store:
        stored = store.table(ROUND.table, "round_id = ?", [name_round(evaluation)])
    gone = stored.filter(~pl.col("recipe").is_in(own))
    if gone.is_empty():
        return
    with pipeline.warehouse.write() as store:
        store.remove(ROUND.table, gone)
    pipeline.warehouse.publish()


def choose_estimators(evaluation: EvaluationRun, recipes: Collection[str]) -> list[str]:
    """Names of the estimators that enter with some recipes of the catalogue.

    The champion and all that is no challenger always do: every recipe is judged against them.

    Raises:
        CatalogueError: a recipe is none that the catalogue sets against the champion.
    """
    asked = list_recipes(evaluation.pipeline)
    strange = sorted(set(recipes) - set(asked))
    if strange:
        raise CatalogueError(
            f"{', '.join(strange)}: no recipe that faces the gate; name it among the challengers "
            f"of [evaluation], which are {', '.join(asked)}"
        )
    lineup = evaluation.lineup
    own = {
        name: {challenger.name, f"{challenger.name}_rolling"}
        for name, challenger in zip(asked, lineup.challengers, strict=True)
    }
    others = {member for name in asked if name not in recipes for member in own[name]}
    skipped = others - {lineup.champion.name, lineup.founder.name}
    skipped -= {member for name in recipes for member in own[name]}
    return [estimator.name for estimator in evaluation.estimators if estimator.name not in skipped]


def list_recipes(pipeline: Pipeline) -> tuple[str, ...]:
    """Recipes of the catalogue that enter rounds by their own names, in its order."""
    return pipeline.catalogue.evaluation.challengers
