"""When the gate has looked at a recipe already."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from cbi_pipeline.operations.evaluate import EvaluationRun, is_judged_in_week, judges_champion
from cbi_pipeline.registry import newest_evidence
from tests.registry import world
from tests.report.warehouses import CATALOGUE, publish

MONDAY = world.AS_OF.replace(day=11, hour=4)  # 23:00 in New York; in UTC it is Tuesday


def decided(verdict: str) -> object:
    return world.decisions(world.decision("gru", verdict) | {"decided_at": MONDAY})


@pytest.mark.parametrize(("days", "judged"), [(0, True), (6, True), (7, False), (-1, False)])
def test_a_week_runs_from_monday_to_sunday_at_the_desk(days, judged):
    assert is_judged_in_week(decided("no_skill"), "gru", MONDAY + timedelta(days=days)) is judged


@pytest.mark.parametrize("verdict", ["first", "refresh", "hold"])
def test_founding_or_refreshing_a_recipe_is_no_look_at_it(verdict):
    assert not is_judged_in_week(decided(verdict), "gru", MONDAY)


@pytest.mark.parametrize(
    ("horizons", "answered"), [({}, True), ({"1w": 10, "1m": 21, "1q": 63}, False)]
)
def test_evidence_of_other_horizons_does_not_answer_for_the_week(tmp_path, horizons, answered):
    asked = CATALOGUE.model_copy(
        update={
            "commodities": tuple(
                one.model_copy(update={"horizons": horizons} if horizons else {})
                for one in CATALOGUE.commodities
            )
        }
    )
    evaluation = EvaluationRun(SimpleNamespace(catalogue=asked), pipeline=None)
    with publish(tmp_path).read() as store:
        assert evaluation.is_answered(store, store.table("registry.decision")) is answered


def test_evidence_without_the_recipe_that_speaks_does_not_answer_for_the_week(tmp_path):
    with publish(tmp_path).read() as store:
        ruled = store.table("registry.decision")
        evidence = newest_evidence(ruled)
        crowned = world.decision("prior", "promote") | {"evaluation_id": evidence}
        stranger = world.decision("stranger", "promote") | {"evaluation_id": evidence}
        assert judges_champion(store, world.decisions(crowned))
        assert not judges_champion(store, world.decisions(stranger))
