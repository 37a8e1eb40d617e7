"""Which round of the walk-forward the figures rest on, and which one promoted the model in use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from cbi_pipeline.report import formats
from cbi_pipeline.report.source import ReportSource
from data_contracts.evaluation import CROWNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round as a decision names it.

    Attributes:
        evaluation_id: its evaluation; empty where the decision rests on none.
        as_of: what was known in it; None where nobody noted it.
        verdict: what was decided.
        who: who decided: the gate, or a person.
    """

    evaluation_id: str
    as_of: datetime | None
    verdict: str
    who: str


def read_rounds(source: ReportSource) -> tuple[Round | None, Round | None]:
    """The round of the figures, and the one that made the recipe in use champion."""
    of_figures = source.decisions.filter(
        pl.col("who") == "gate", pl.col("evaluation_id") == source.evaluation_id
    )
    of_model = source.decisions.filter(pl.col("verdict").is_in(CROWNS))
    return _last(of_figures), _last(of_model)


def describe_rounds(of_figures: Round | None, of_model: Round | None) -> list[str]:
    """Sentences on both rounds; none before the first."""
    if of_figures is None or of_model is None or not of_figures.evaluation_id:
        return []
    figures = f"The figures rest on {_name(of_figures)}."
    if of_model.verdict == "first":
        return [figures, "The recipe in use is the founding one; no round promoted it."]
    if of_model.who != "gate":
        return [figures, f"The recipe in use was chosen by hand, by {of_model.who}."]
    if of_model.evaluation_id == of_figures.evaluation_id:
        return [figures, "The recipe in use was promoted on that round."]
    return [figures, f"The recipe in use was promoted on {_name(of_model)}."]


def _name(named: Round) -> str:
    instant = "" if named.as_of is None else f" of {formats.instant(named.as_of)}"
    return f"the round{instant}, evaluation {formats.short_hash(named.evaluation_id)}"


def _last(decisions: pl.DataFrame) -> Round | None:
    rows = decisions.select("evaluation_id", "as_of", "verdict", "who").tail(1)
    return next((Round(**row) for row in rows.iter_rows(named=True)), None)
