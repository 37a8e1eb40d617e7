"""What the gate says of a recipe that stands apart: it lacks levels that a champion states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import polars as pl

from cbi_pipeline.evaluation.entries import Abstains, enter_gate
from cbi_pipeline.evaluation.evidence import Contest, judge_pairing
from cbi_pipeline.evaluation.losses import NEEDED_LEVELS


def judge_apart(
    table: pl.DataFrame,
    recipe: str,
    levels: int,
    champion: str,
    opponents: Sequence[str],
    level: float,
) -> tuple[str, dict[str, object]]:
    """What is seen of a recipe that stands apart, in words and figures; it takes no level.

    Args:
        table: `losses` of it and its opponents, at the levels that all of them have.
        recipe: its name.
        levels: how many it has.
        champion: champion.
        opponents: the others that it is compared with.
        level: at which a gain would be called shown.
    """
    opening = (
        f"{recipe} stands apart: {levels} levels, where a champion states at least the "
        f"{len(NEEDED_LEVELS)} that every forecast is scored at. It cannot be promoted."
    )
    try:
        entry = enter_gate(table, recipe, champion, opponents)
    except Abstains as why:
        return f"{opening} It was not compared: {why}", {"levels": levels}
    contests = [judge_pairing(pairing, level) for pairing in entry.pairings]
    seen = "; ".join(_describe(contest) for contest in contests)
    figures = {"levels": levels, "contests": [asdict(contest) for contest in contests]}
    return f"{opening} At the levels that both have, its CRPS: {seen}.", figures


def _describe(contest: Contest) -> str:
    return f"{contest.skill:+.2%} against {contest.opponent} (p = {contest.p_value:.4f})"
