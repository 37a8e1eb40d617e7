"""Which rounds the figures and the model come from, in words."""

from dataclasses import replace
from datetime import UTC, datetime

from cbi_pipeline.report.page import render_report
from cbi_pipeline.report.rounds import Round, describe_rounds
from cbi_pipeline.report.sections.skill import SECTION
from tests.report.mornings import morning, with_part

NEWEST = Round(
    evaluation_id="ab" * 32, as_of=datetime(2019, 1, 3, tzinfo=UTC), verdict="keep", who="gate"
)
EARLIER = replace(
    NEWEST, evaluation_id="cd" * 32, as_of=datetime(2018, 6, 1, tzinfo=UTC), verdict="promote"
)


def test_the_page_names_the_round_of_its_figures_and_that_of_its_recipe():
    figures, recipe = describe_rounds(NEWEST, EARLIER)
    assert figures.startswith("The figures rest on the round of 2\u00a0Jan\u00a02019")
    assert "evaluation abababababab." in figures
    assert recipe.startswith("The recipe in use was promoted on the round of 31\u00a0May")
    given = morning()
    evidence = replace(given.part(SECTION), rounds=(figures, recipe))
    assert figures in render_report(with_part(given, SECTION, evidence))


def test_a_founding_recipe_and_one_chosen_by_hand_have_no_round():
    founding = replace(EARLIER, verdict="first", evaluation_id="")
    assert describe_rounds(NEWEST, founding)[1].endswith("no round promoted it.")
    by_hand = replace(EARLIER, who="ada")
    assert describe_rounds(NEWEST, by_hand)[1] == "The recipe in use was chosen by hand, by ada."


def test_a_recipe_promoted_on_the_round_of_the_figures_says_so():
    promoted = replace(NEWEST, verdict="promote")
    assert describe_rounds(promoted, promoted)[1].endswith("promoted on that round.")


def test_before_the_first_round_nothing_is_said():
    assert describe_rounds(None, None) == []
