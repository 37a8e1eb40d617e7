"""When the gate has looked at a recipe already."""

from datetime import timedelta

import pytest

from cbi_pipeline.defs.evaluation.trial import judged_in_week
from tests.registry import world

MONDAY = world.AS_OF.replace(day=10, hour=4)


def decided(verdict: str) -> object:
    return world.decisions(world.decision("gru", verdict) | {"decided_at": MONDAY})


@pytest.mark.parametrize(("days", "judged"), [(0, True), (6, True), (7, False), (-1, False)])
def test_a_week_runs_from_monday_to_sunday(days, judged):
    assert judged_in_week(decided("no_skill"), "gru", MONDAY + timedelta(days=days)) is judged


@pytest.mark.parametrize("verdict", ["first", "refresh", "hold"])
def test_founding_or_refreshing_a_recipe_is_no_look_at_it(verdict):
    assert not judged_in_week(decided(verdict), "gru", MONDAY)
