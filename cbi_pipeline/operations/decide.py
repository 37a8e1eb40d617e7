"""The gate: whether a challenger replaces the champion, one look per round at all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.catalogue import GATE_OPPONENTS, find_recipes
from cbi_pipeline.ingest import fault_log
from cbi_pipeline.operations.evaluate import EvaluationRun
from cbi_pipeline.operations.gather_evidence import SUBJECT as EVIDENCE
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.rounds import name_round, round_as_of
from cbi_pipeline.operations.training_data import evidence_as_of, load_training_data
from cbi_pipeline.operations.walk_forward_store import read_forecasts
from cbi_pipeline.registry import (
    Champion,
    current_champion,
    following,
    list_earlier_founders,
    sort_decisions,
)
from data_contracts.evaluation import CROWNS, FOLD, LOOKS

if TYPE_CHECKING:
    from cbi_pipeline.evaluation import Entrant
    from cbi_pipeline.evaluation.decisions import Decision
    from cbi_pipeline.forecasting import ModelRecipe
    from cbi_pipeline.warehouse import Store


@dataclass(frozen=True)
class Ruled:
    """What stands after a look.

    Attributes:
        judged: whether there was evidence to rule on.
        decisions: rows of ``registry.decision``, oldest first.
    """

    judged: bool
    decisions: pl.DataFrame

    @property
    def champion(self) -> Champion | None:
        """The champion now."""
        return current_champion(self.decisions)


def decide_challengers(pipeline: Pipeline) -> Ruled:
    """Let the gate rule on each challenger of the newest round that it has not seen there yet."""
    evaluation = EvaluationRun(load_training_data(pipeline, round_as_of(pipeline)), pipeline)
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
        unseen = find_unseen(evaluation, store, decisions)
        # The longest read of a night, where a look is due; on the other nights of a week none is.
        forecasts = read_forecasts(store, evaluation.name) if unseen else None
    if forecasts is not None:
        rows = rulings(evaluation, unseen, decisions, forecasts)
        pipeline.add({"registry.decision": rows})
    else:
        establish_champion(pipeline)
    with pipeline.warehouse.read() as store:
        return Ruled(bool(unseen), sort_decisions(store.table("registry.decision")))


def establish_champion(pipeline: Pipeline) -> None:
    """Name the founder champion where there is none, or none but an earlier founder."""
    with pipeline.warehouse.read() as store:
        decisions = store.table("registry.decision")
    founding = _rule_on_founder(decisions, pipeline)
    if founding is not None:
        row = founding.frame(evidence_as_of(pipeline))
        pipeline.add({"registry.decision": following(decisions, row)})


def _rule_on_founder(
    decisions: pl.DataFrame, pipeline: Pipeline, evaluation_id: str = ""
) -> Decision | None:
    """The founding decision that is due, or None.

    What evidence or a person made champion stays; one by choice gives way to another choice.
    """
    from cbi_pipeline.evaluation import decide_founder

    name, before = pipeline.catalogue.evaluation.founder, None
    crowned = sort_decisions(decisions).filter(pl.col("verdict").is_in(CROWNS)).tail(1)
    if not crowned.is_empty():
        verdict, before = crowned.select("verdict", "recipe").row(0)
        if verdict != "first" or before == name:
            return None
    return decide_founder(
        name,
        evaluation_id=evaluation_id,
        decided_at=pipeline.now(),
        before=before,
        is_left=before in find_recipes(*pipeline.settings.recipe_folders),
    )


def find_unseen(
    evaluation: EvaluationRun, store: Store, decisions: pl.DataFrame
) -> tuple[ModelRecipe, ...]:
    """Challengers that the gate has not looked at on these very forecasts, where there are any."""
    if not evaluation.data.has_origins or fault_log(evaluation.pipeline.settings).open(EVIDENCE):
        return ()
    if not evaluation.is_done(store):
        return ()
    is_look = (pl.col("who") == "gate") & pl.col("verdict").is_in(LOOKS)
    looks = sort_decisions(decisions).filter(is_look)
    last = dict(looks.select("recipe", "evaluation_id").iter_rows())
    challengers = evaluation.lineup.challengers
    seen = {name: is_same(store, name, evaluation.name) for name in set(last.values())}
    return tuple(
        challenger
        for challenger in challengers
        if not seen.get(last.get(challenger.name, ""), False)
    )


def is_same(store: Store, before: str, now: str) -> bool:
    """Whether all forecasts of an evaluation stand in another one too, beside those of more."""
    if before == now:
        return True
    earlier, later = (
        store.table(FOLD.table, "evaluation_id = ?", [name]).drop("evaluation_id")
        for name in (before, now)
    )
    own = later.filter(pl.col("recipe").is_in(earlier["recipe"].unique().to_list()))
    return not earlier.is_empty() and earlier.equals(own)


def rulings(
    evaluation: EvaluationRun,
    challengers: Sequence[ModelRecipe],
    decisions: pl.DataFrame,
    forecasts: pl.DataFrame,
) -> pl.DataFrame:
    """The founding decision where one is due, and the gate's on some challengers, in one look."""
    from cbi_pipeline.evaluation import decide

    record, now = decisions, evaluation.pipeline.now()
    founding = _rule_on_founder(decisions, evaluation.pipeline, evaluation.name)
    if founding is not None:
        record = pl.concat([record, following(record, founding.frame(evaluation.data.as_of))])
    champion = current_champion(record)
    assert champion is not None
    rulings = decide(
        forecasts,
        evaluation.data.targets,
        [challenger.name for challenger in challengers],
        champion.recipe,
        evaluation.pipeline.catalogue,
        decided_at=now,
        decisions=record,
        entrants=identify_entrants(evaluation),
        opponents=list_opponents(record),
        round_id=name_round(evaluation),
    )
    for ruling in rulings:
        record = pl.concat([record, following(record, ruling.frame(evaluation.data.as_of))])
    return record


def list_opponents(decisions: pl.DataFrame) -> tuple[str, ...]:
    """What a challenger has to beat beside the champion: those that all have, and old founders.

    Args:
        decisions: rows of registry.decision.
    """
    return tuple(dict.fromkeys([*GATE_OPPONENTS, *list_earlier_founders(decisions)]))


def identify_entrants(evaluation: EvaluationRun) -> dict[str, Entrant]:
    """What each estimator of a round is, whatever its name: its settings and its code."""
    from cbi_pipeline.evaluation import Entrant

    return {
        estimator.name: Entrant(estimator.identity(), evaluation.code[estimator.name])
        for estimator in evaluation.estimators
    }
