"""Who is champion, and when the gate has looked already."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from cbi_pipeline.defs.evaluation.trial import judged_in_week
from cbi_pipeline.defs.registry.reign import champion
from data_contracts import contract

MONDAY = datetime(2026, 3, 2, 4, tzinfo=UTC)


def decisions(*rows: tuple[str, str, datetime]) -> pl.DataFrame:
    plain = [
        {
            "decision_id": f"{number:064d}",
            "decided_at": instant,
            "evaluation_id": "e",
            "recipe": recipe,
            "champion": "untrained",
            "verdict": verdict,
            "reason": "because",
            "statistics": "{}",
            "who": "gate",
        }
        for number, (recipe, verdict, instant) in enumerate(rows)
    ]
    return pl.DataFrame(plain, schema=contract("registry.decision").dtypes)


def test_nobody_reigns_before_the_first_decision():
    assert champion(decisions()) is None


def test_a_refused_challenger_does_not_reign():
    rows = decisions(("untrained", "first", MONDAY), ("gru", "no_skill", MONDAY))
    assert champion(rows) == "untrained"


@pytest.mark.parametrize("verdict", ["promote", "rollback"])
def test_the_newest_crowned_recipe_reigns(verdict):
    later = MONDAY + timedelta(days=7)
    rows = decisions(("untrained", "first", MONDAY), ("gru", verdict, later))
    assert champion(rows) == "gru"


def test_a_promotion_at_the_founding_instant_counts_as_later():
    # The archive's clock stands still, so both can bear the same instant, in any order of rows.
    rows = decisions(("gru", "promote", MONDAY), ("untrained", "first", MONDAY))
    assert champion(rows) == "gru"


@pytest.mark.parametrize(("days", "judged"), [(0, True), (6, True), (7, False), (-1, False)])
def test_a_week_runs_from_monday_to_sunday(days, judged):
    rows = decisions(("gru", "no_skill", MONDAY))
    assert judged_in_week(rows, "gru", MONDAY + timedelta(days=days)) is judged


def test_founding_a_recipe_is_no_look_at_it():
    assert not judged_in_week(decisions(("gru", "first", MONDAY)), "gru", MONDAY)
