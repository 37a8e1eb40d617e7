"""Which recipes a night has: the champion as registered, and what is set against it."""

import dataclasses

import pytest

from cbi_pipeline.evaluation import decide_by_person
from cbi_pipeline.evaluation.decisions import decision
from cbi_pipeline.forecasting import Recipe
from cbi_pipeline.operations.evaluate import current_lineup, load_founder
from cbi_pipeline.operations.lineup import choose_lineup
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import load_challengers
from cbi_pipeline.registry import Registry, RegistryMismatch, RegistryUnreadable
from cbi_pipeline.settings import Settings
from tests.catalogues import SMALL
from tests.system.homes import copied


def challenger_of(pipeline: Pipeline) -> Recipe:
    (recipe,) = load_challengers(pipeline)
    return recipe


@pytest.fixture(scope="module")
def founded(one_night, tmp_path_factory) -> Pipeline:
    """A home whose champion is version 1, the founder."""
    home = copied(one_night, tmp_path_factory.mktemp("founded") / ".cbi")
    return Pipeline(Settings(home=home, catalogue_file=SMALL))


@pytest.fixture(scope="module")
def promoted(one_night, tmp_path_factory) -> Pipeline:
    """A home whose champion is version 2, the tiny recipe of today's code."""
    home = copied(one_night, tmp_path_factory.mktemp("promoted") / ".cbi")
    pipeline = Pipeline(Settings(home=home, catalogue_file=SMALL))
    made = decide_by_person(
        "promote", "tiny", "prior", version=2, reason="learned tails", who="ada",
        decided_at=pipeline.now(),
    )  # fmt: skip
    pipeline.add({"registry.decision": made.frame()})
    return pipeline


def test_the_codes_recipes_are_the_lineup_of_a_home_they_made(founded):
    found = current_lineup(founded)
    assert (found.champion, found.challengers) == (load_founder(founded), (challenger_of(founded),))
    assert list(found.recipes) == ["prior", "tiny"]


def test_a_challenger_that_is_the_champion_is_not_entered_twice(promoted):
    found = current_lineup(promoted)
    assert (found.champion,) == found.challengers == (challenger_of(promoted),)
    assert list(found.recipes) == ["prior", "tiny"]


def test_the_promoted_recipe_stays_when_the_code_brings_another(promoted):
    other = dataclasses.replace(challenger_of(promoted), name="next", window=12)
    found = choose_lineup(promoted, load_founder(promoted), [other])
    assert found.champion == challenger_of(promoted)
    assert (found.challengers, list(found.recipes)) == (
        (other,),
        ["prior", "tiny", "next"],
    )


def test_another_recipe_of_the_champions_name_takes_a_name_of_its_own(promoted):
    other = dataclasses.replace(challenger_of(promoted), window=12)
    found = choose_lineup(promoted, load_founder(promoted), [other])
    assert found.champion == challenger_of(promoted)
    assert found.challengers[0].window == 12
    assert found.challengers[0].name == f"tiny_{other.identity()[:8]}"
    assert len(found.recipes) == 3


def test_a_founder_that_was_rewritten_in_the_code_speaks_as_it_was_registered(founded):
    rewritten = dataclasses.replace(load_founder(founded), levels=(0.1, 0.5, 0.9))
    found = choose_lineup(founded, rewritten, [challenger_of(founded)])
    assert found.champion == found.founder == load_founder(founded)


def test_a_recipe_crowned_tonight_is_the_one_that_the_gate_judged(founded, one_night, tmp_path):
    home = copied(one_night, tmp_path / ".cbi")
    pipeline = Pipeline(Settings(home=home, catalogue_file=SMALL))
    other = dataclasses.replace(challenger_of(pipeline), name="prior", window=12)
    renamed = choose_lineup(pipeline, load_founder(pipeline), [other]).challengers[0]
    crowned = decision("e", renamed.name, "prior", "promote", "better", decided_at=pipeline.now())
    pipeline.add({"registry.decision": crowned.frame()})
    assert choose_lineup(pipeline, load_founder(pipeline), [other]).champion == renamed
    with pytest.raises(RegistryMismatch, match="no version of it was registered"):
        choose_lineup(pipeline, load_founder(pipeline), [challenger_of(pipeline)])


def test_a_champion_that_this_version_cannot_read_is_the_codes_recipe_of_its_name(
    founded, monkeypatch
):
    def refuse(registry, version):
        raise RegistryUnreadable(f"version {version} cannot be read: no such field")

    monkeypatch.setattr(Registry, "load", refuse)
    rewritten = dataclasses.replace(load_founder(founded), levels=(0.1, 0.5, 0.9))
    assert choose_lineup(founded, rewritten, [challenger_of(founded)]).champion == rewritten
    nameless = dataclasses.replace(rewritten, name="renamed")
    with pytest.raises(RegistryUnreadable, match="version 1 cannot be read"):
        choose_lineup(founded, nameless, [challenger_of(founded)])
