"""The verdict on skill in plain words."""

import re
from dataclasses import replace
from datetime import date

import pytest

from cbi_pipeline.report import formats
from cbi_pipeline.report.page import render_report
from cbi_pipeline.report.sections.skill import SECTION, draw_skills, draw_tenths, list_columns
from cbi_pipeline.report.skill import (
    Absence,
    Evidence,
    Score,
    describe_absences,
    describe_coverage,
    describe_skill,
    describe_untested,
    find_evaluated,
    judge_horizons,
    judge_skill,
)
from data_contracts.evaluation import name_recipes
from tests.report.mornings import morning, with_part


def figure(low: float | None, high: float | None, name: str = "climatology") -> Score:
    value = 0.0 if low is None or high is None else (low + high) / 2
    return Score(
        recipe="gru", commodity="wti", horizon="*", metric=f"skill_vs_{name}",
        value=value, low=low, high=high, count=100,
    )  # fmt: skip


def cell(**chances: tuple[float, float]) -> list[Score]:
    """A cell in which the recipe is better or worse than opponents with these chances."""
    where = {"recipe": "gru", "commodity": "wti", "horizon": "1w", "low": None, "high": None}
    return [
        Score(**where, metric=f"{name}_vs_{opponent}", value=value, count=100)
        for opponent, (better, worse) in chances.items()
        for name, value in (("p_better", better), ("p_worse", worse), ("resolvable", 0.031))
    ]


@pytest.mark.parametrize(
    ("chances", "words"),
    [
        ({"ewma": (0.01, 1.0), "prior": (0.04, 1.0)}, "skill shown against every naive forecast"),
        (
            {"ewma": (0.01, 1.0), "prior": (0.4, 1.0)},
            "skill shown against some naive forecasts, not all",
        ),
        (
            {"ewma": (0.2, 0.9), "prior": (1.0, 0.06)},
            "no skill shown (gains under 3.1 % go unseen)",
        ),
        ({"ewma": (0.01, 1.0), "prior": (1.0, 0.01)}, "worse than a naive forecast"),
        ({}, "too few forecasts to judge"),
    ],
)
def test_verdict_follows_the_chances_strictest_first(chances, words):
    assert judge_skill(cell(**chances)).replace(formats.NARROW, " ") == words


def test_horizons_are_judged_one_by_one_and_named_where_they_differ(evidence):
    oil = morning().commodities[0]
    shown = [replace(score, commodity=oil.id) for score in cell(ewma=(0.01, 1.0))]
    scores = (*shown, *(replace(score, horizon="1m") for score in cell()))
    one = judge_horizons(replace(evidence, scores=scores), "gru", oil)
    assert one == "skill shown against every naive forecast"
    other = [replace(score, commodity=oil.id, horizon="1q") for score in cell(ewma=(1.0, 0.01))]
    both = judge_horizons(replace(evidence, scores=(*shown, *other)), "gru", oil)
    assert both == (
        "one week: skill shown against every naive forecast; "
        "one quarter: worse than a naive forecast"
    )


@pytest.mark.parametrize(
    ("low", "high", "begins"),
    [
        (0.01, 0.03, "Against climatology: skill +2.0"),
        (-0.03, -0.01, "Against climatology: skill \u22122.0"),
        (0.0, 0.0, "The same as climatology."),
        (None, None, "Too few forecasts to tell it from climatology."),
    ],
)
def test_one_figure_in_words(low, high, begins):
    assert describe_skill(figure(low, high)).startswith(begins)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return morning().part(SECTION)


def test_recipe_that_was_evaluated_is_judged_by_its_own_figures(evidence):
    assert find_evaluated("anchored_gru", evidence.scores) == "anchored_gru"
    assert replace(evidence, in_use="anchored_gru").recipes_in_question == ["anchored_gru"]


def test_challenger_with_the_very_figures_of_the_one_in_use_is_not_shown_twice(evidence):
    own = tuple(score for score in evidence.scores if score.recipe == "anchored_gru")
    twin = tuple(replace(score, recipe="twin") for score in own)
    assert evidence.recipes_in_question == ["prior", "anchored_gru"]
    same = replace(evidence, scores=(*own, *twin), in_use="twin")
    assert same.recipes_in_question == ["twin"]


def test_model_that_was_never_evaluated_claims_no_figures(evidence):
    assert find_evaluated("something_else", evidence.scores) is None
    assert find_evaluated(None, evidence.scores) is None


def test_skill_columns_follow_the_order_of_the_naive_forecasts(evidence):
    titles = [column.title for column in list_columns(evidence.scores)]
    assert titles[-3:] == ["Skill vs climatology", "Skill vs ewma", "Skill vs prior"]


def test_skill_chart_runs_from_the_shortest_horizon_to_the_longest(evidence):
    shuffled = tuple(sorted(evidence.scores, key=lambda score: score.horizon))
    given = with_part(morning(), SECTION, replace(evidence, scores=shuffled))
    labels = re.findall(r">(1[wmq]) vs", draw_skills(given)[0].svg)
    assert labels == sorted(labels, key=["1w", "1m", "1q"].index)
    assert set(labels) == {"1w", "1m", "1q"}


def calibrated(evidence: Evidence, value: float, low: float, high: float) -> Evidence:
    """The evidence of a champion whose calibrated variant was evaluated."""
    where = {"recipe": "prior+conformal", "commodity": "*", "horizon": "*"}
    share = Score(**where, metric="coverage_80", value=value, low=0.7, high=0.9, count=200)
    band = Score(**where, metric="band_80", value=0.8, low=low, high=high, count=200)
    scores = (*evidence.scores, share, band)
    return replace(evidence, scores=scores, in_use=find_evaluated("prior", scores))


def test_forecasts_are_issued_calibrated_so_that_variant_is_the_one_in_use(evidence):
    given = calibrated(evidence, 0.79, 0.7, 0.9)
    assert given.in_use == "prior+conformal"
    assert name_recipes(given.in_use) == "prior (calibrated)"


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (0.79, 0.75, 0.85, "within what chance explains"),
        (0.65, 0.75, 0.85, "more than chance explains"),
        (0.79, 0.46, 1.0, "too few that share no news to tell"),
    ],
)
def test_coverage_stands_beside_what_chance_gives_and_is_not_judged_where_that_is_anything(
    evidence, value, low, high, words
):
    (sentence,) = describe_coverage(calibrated(evidence, value, low, high), morning().commodities)
    assert words in sentence
    assert f"shows {low:.0%}"[:-1] in sentence
    assert "of 200 outcomes" in sentence
    assert "as it should" not in sentence


def test_a_commodity_that_is_forecast_without_a_scored_past_is_said_to_be_never_tested(evidence):
    given = morning()
    name, commodities = given.commodities[1].name, given.commodities
    scores = tuple(score for score in evidence.scores if score.commodity != commodities[1].id)
    fewer = replace(evidence, scores=scores)
    assert describe_untested(evidence, commodities) == []
    (sentence,) = describe_untested(fewer, commodities)
    assert sentence == f"{name}: never tested. No past forecast of it could be judged yet."
    assert sentence in render_report(with_part(given, SECTION, fewer))


def test_what_was_sat_out_stands_on_the_page_with_its_reason(evidence):
    given = morning()
    absence = Absence(
        recipe="garch_t",
        commodity=given.commodities[1].id,
        absent=40,
        planned=100,
        last=date(2018, 3, 5),
        reason="82 returns were public at the refit of 2018-01-01, it needs 250",
    )
    sat_out = replace(evidence, absences=(absence,))
    (sentence,) = describe_absences(sat_out, given.commodities)
    assert sentence == (
        f"GARCH(1,1)-t sat out 40 of 100 past forecasts of {given.commodities[1].name}, the last "
        f"from {formats.day(absence.last)}: {absence.reason}."
    )
    assert sentence in render_report(with_part(given, SECTION, sat_out))


@pytest.mark.parametrize(
    ("chance", "words"),
    [
        (0.3, "Within what chance explains: even ones look as uneven in 30"),
        (0.01, "They do not fall evenly: even ones look as uneven in 1"),
        (None, "Too few outcomes that share no news"),
    ],
)
def test_how_outcomes_fell_over_what_was_stated_is_told_with_its_chance(chance, words):
    given = morning()
    evidence = given.part(SECTION)
    where = {"recipe": evidence.in_use, "commodity": "wti", "horizon": "*", "low": None}
    shares = tuple(
        Score(**where, metric=f"pit_{n}", value=0.1, high=None, count=90) for n in range(1, 11)
    )
    if chance is not None:
        shares += (Score(**where, metric="p_pit", value=chance, high=None, count=90),)
    told = replace(evidence, scores=(*evidence.scores, *shares))
    (panel,) = draw_tenths(with_part(given, SECTION, told))
    assert panel.caption.startswith(words)
    assert not draw_tenths(given)
