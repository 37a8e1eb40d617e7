from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.registry import (
    Champion,
    RegistryEmpty,
    RegistryMismatch,
    current_champion,
    derive,
    find_previous_champion,
    following,
    sort_decisions,
)
from tests.registry import world
from tests.registry.conftest import House

CROWNS = ("first", "promote", "rollback")
VERDICTS = ("promote", "keep", "no_skill", "abstain", "too_good", "rollback")


def registered(*recipes: str) -> pl.DataFrame:
    """Versions 1, 2, ... of these recipes."""
    return world.versions(
        *(
            {
                "version": number,
                "recipe": recipe,
                "recipe_id": recipe,
                "fingerprint": str(number),
                "state": "s",
                "as_of": world.AS_OF,
                "run_id": "r",
                "note": "",
            }
            for number, recipe in enumerate(recipes, start=1)
        )
    )


def test_the_founding_recipe_is_champion_alone() -> None:
    decided = world.decisions(world.decision("prior", "first"))
    assert derive(decided, registered("prior")) == {"champion": 1}


def test_a_kept_champion_faces_its_challenger() -> None:
    decided = world.decisions(
        world.decision("prior", "first"), world.decision("gru", "no_skill", number=1)
    )
    assert derive(decided, registered("prior", "gru")) == {"champion": 1, "challenger": 2}


def test_a_promoted_recipe_is_champion_and_challenger_no_more() -> None:
    decided = world.decisions(
        world.decision("prior", "first"), world.decision("gru", "promote", number=1)
    )
    assert derive(decided, registered("prior", "gru")) == {"champion": 2}


def test_a_recipe_without_a_named_version_is_served_by_its_newest() -> None:
    decided = world.decisions(world.decision("prior", "first"))
    assert derive(decided, registered("prior", "gru", "prior")) == {"champion": 3}


def test_a_refresh_moves_the_champion_and_leaves_the_challenger() -> None:
    decided = world.decisions(
        world.decision("prior", "first"),
        world.decision("prior", "refresh", version=1),
        world.decision("gru", "no_skill", number=1),
        world.decision("prior", "refresh", version=3, number=2),
    )
    versions = registered("prior", "gru", "prior", "gru")
    assert derive(decided, versions) == {"champion": 3, "challenger": 4}


def test_a_version_that_was_held_back_or_never_judged_bears_no_alias() -> None:
    decided = world.decisions(
        world.decision("prior", "first"),
        world.decision("prior", "refresh", version=1),
        world.decision("prior", "hold", version=2, number=1),
    )
    assert derive(decided, registered("prior", "prior", "prior")) == {"champion": 1}


def test_a_promotion_forgets_the_refreshes_of_an_earlier_reign() -> None:
    decided = world.decisions(
        world.decision("gru", "first"),
        world.decision("gru", "refresh", version=1),
        world.decision("prior", "promote", number=1),
        world.decision("gru", "promote", number=2),
    )
    assert derive(decided, registered("gru", "prior", "gru")) == {"champion": 3}


def test_a_person_can_promote_an_older_version() -> None:
    decided = world.decisions(
        world.decision("prior", "first"),
        world.decision("prior", "refresh", version=3),
        world.decision("prior", "promote", version=1, number=1, who="ada"),
    )
    assert derive(decided, registered("prior", "gru", "prior")) == {"champion": 1}


def story(*steps: tuple[str, int]) -> pl.DataFrame:
    """Decisions on versions of one recipe, a day apart."""
    return world.decisions(
        *(
            world.decision("prior", verdict, version=version, number=number)
            for number, (verdict, version) in enumerate(steps)
        )
    )


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("refresh", 1)], None),
        ([("refresh", 1), ("refresh", 2)], 1),
        ([("refresh", 1), ("hold", 2)], None),
        ([("refresh", 1), ("refresh", 2), ("promote", 1)], 2),
        ([("refresh", 1), ("refresh", 2), ("refresh", 3), ("rollback", 2)], 1),
        ([("refresh", 1), ("refresh", 2), ("rollback", 1)], None),
        ([("refresh", 1), ("refresh", 2), ("rollback", 1), ("refresh", 3)], 1),
        ([("refresh", 1), ("refresh", 1), ("refresh", 2)], 1),
    ],
)
def test_a_rollback_undoes_one_change_after_the_other(
    steps: list[tuple[str, int]], expected: int | None
) -> None:
    found = find_previous_champion(story(*steps))
    assert (found and found.version) == expected


def test_at_one_instant_the_refresh_follows_the_gate() -> None:
    rows = [
        world.decision("prior", "refresh", version=1),
        world.decision("gru", "promote"),
        world.decision("prior", "first"),
    ]
    told = sort_decisions(world.decisions(*rows))["verdict"].to_list()
    assert told == ["first", "promote", "refresh"]


def told(*rows: pl.DataFrame) -> pl.DataFrame:
    """The record after these rulings, each made at the same standing instant."""
    record = world.decisions()
    for ruling in rows:
        record = pl.concat([record, following(record, ruling)])
    return record


def ruling(evidence: str, verdict: str = "no_skill", who: str = "gate") -> pl.DataFrame:
    """A decision on the evidence of that name."""
    row = world.decision("gru", verdict, who=who) | {"evaluation_id": evidence}
    return world.decisions(row | {"decision_id": f"{evidence}-{verdict}-{who}"})


def test_while_the_clock_stands_still_the_last_decision_is_the_newest() -> None:
    for evidence in (["a", "b"], ["b", "a"]):
        assert sort_decisions(told(*map(ruling, evidence)))["evaluation_id"].to_list() == evidence


def test_what_is_said_twice_in_a_row_is_said_once() -> None:
    record = told(ruling("a"), ruling("x", "refresh", "refresh"), ruling("a"))
    assert sort_decisions(record)["evaluation_id"].to_list() == ["a", "x"]


def test_evidence_gone_back_to_is_the_newest_again() -> None:
    record = told(ruling("a"), ruling("b"), ruling("a"), ruling("b"))
    assert sort_decisions(record)["evaluation_id"].to_list() == ["a", "b", "a", "b"]
    assert record["decision_id"].n_unique() == 4


def test_a_decision_bears_the_clock_s_own_instant_once_that_has_moved() -> None:
    record = told(ruling("a"), ruling("b").with_columns(pl.col("decided_at") + timedelta(days=1)))
    assert record["decided_at"][1] - record["decided_at"][0] == timedelta(days=1)


def test_a_configuration_that_came_back_has_its_own_version_as_challenger() -> None:
    decided = world.decisions(
        world.decision("prior", "first"), world.decision("gru", "no_skill", number=1)
    )
    versions = registered("prior", "gru", "prior", "gru")
    tonight = {"prior": 1, "gru": 2}
    assert derive(decided, versions, tonight) == {"champion": 1, "challenger": 2}


def test_nobody_reigns_before_the_first_decision() -> None:
    assert current_champion(world.decisions()) is None


def test_a_refused_challenger_does_not_reign() -> None:
    decided = world.decisions(
        world.decision("prior", "first"), world.decision("gru", "no_skill", number=1)
    )
    assert current_champion(decided) == Champion("prior", None)


def test_a_challenger_that_was_never_registered_bears_no_alias() -> None:
    decided = world.decisions(
        world.decision("prior", "first"), world.decision("gru", "abstain", number=1)
    )
    assert derive(decided, registered("prior")) == {"champion": 1}


def test_the_founding_decision_is_the_oldest_even_when_the_clock_stands_still() -> None:
    promoted = world.decision("gru", "promote") | {"decided_at": world.AS_OF}
    decided = world.decisions(promoted, world.decision("prior", "first"))
    assert derive(decided, registered("prior", "gru")) == {"champion": 2}


def test_a_champion_without_a_version_is_a_mismatch() -> None:
    decided = world.decisions(world.decision("prior", "first"))
    with pytest.raises(RegistryMismatch, match=r"'prior' .* no registered version"):
        derive(decided, registered("gru"))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(VERDICTS)), max_size=8),
    st.permutations(["a", "b", "c", "prior", "a", "b"]),
)
def test_aliases_follow_a_slow_replay_of_the_decisions(
    story: list[tuple[str, str]], recipes: list[str]
) -> None:
    told = [("prior", "first"), *story]
    champion = challenger = None
    for recipe, verdict in told:
        champion = recipe if verdict in CROWNS else champion
        challenger = recipe
    newest = {recipe: number for number, recipe in enumerate(recipes, start=1)}
    expected = {"champion": newest[champion]} if champion else {}
    if challenger != champion:
        expected["challenger"] = newest[challenger]
    decided = world.decisions(
        *(world.decision(recipe, verdict, number=n) for n, (recipe, verdict) in enumerate(told))
    )
    assert derive(decided, registered(*recipes)) == expected


def test_reconcile_sets_moves_and_removes_aliases(house: House) -> None:
    registry = house.registry
    versions = world.versions(*(version.row() for version in house.versions)).with_columns(
        recipe=pl.Series(["prior", "gru"])
    )
    first = world.decision("prior", "first")
    kept = world.decision("gru", "keep", number=1)
    promoted = world.decision("gru", "promote", number=2)
    assert registry.reconcile(world.decisions(first), versions) == {"champion": 1}
    assert registry.champion().version == 1
    registry.reconcile(world.decisions(first, kept), versions)
    assert (registry.get("champion").version, registry.get("challenger").version) == (1, 2)
    registry.reconcile(world.decisions(first, kept, promoted), versions)
    assert registry.champion().version == 2
    with pytest.raises(RegistryEmpty):
        registry.get("challenger")


def test_reconcile_refuses_versions_of_another_registry(house: House) -> None:
    versions = world.versions(house.versions[0].row() | {"fingerprint": "f" * 64})
    decided = world.decisions(world.decision("tiny", "first"))
    with pytest.raises(RegistryMismatch, match=r"version 1 .* not the model"):
        house.registry.reconcile(decided, versions)


def test_no_alias_goes_to_a_version_that_does_not_exist(house: House) -> None:
    with pytest.raises(RegistryEmpty, match="no version 9"):
        house.registry.set_alias("champion", 9)
