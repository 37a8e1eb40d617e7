"""The verdict on skill in plain words."""

import re
from dataclasses import replace
from datetime import date

import pytest

from cbi_pipeline.report import formats
from cbi_pipeline.report.page import render_report
from cbi_pipeline.report.sections.skill import SECTION, draw_skills, list_columns
from cbi_pipeline.report.skill import (
    Absence,
    Evidence,
    Score,
    describe_absences,
    describe_coverage,
    describe_skill,
    describe_untested,
    find_evaluated,
    judge_skill,
    name_recipe,
)
from tests.report.mornings import morning, with_part


def figure(low: float | None, high: float | None, name: str = "climatology") -> Score:
    value = 0.0 if low is None or high is None else (low + high) / 2
    return Score(
        recipe="gru", commodity="wti", horizon="*", metric=f"skill_vs_{name}",
        value=value, low=low, high=high, count=100,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("intervals", "words"),
    [
        ([(0.01, 0.03), (0.002, 0.02)], "skill shown against every naive forecast"),
        ([(0.01, 0.03), (-0.01, 0.02)], "skill shown against some naive forecasts, not all"),
        ([(-0.01, 0.03), (-0.01, 0.02)], "no skill shown"),
        ([(0.01, 0.03), (-0.03, -0.01)], "worse than a naive forecast"),
        ([(None, None)], "too few forecasts to judge"),
        ([], "too few forecasts to judge"),
    ],
)
def test_verdict_follows_the_intervals_strictest_first(intervals, words):
    assert judge_skill([figure(low, high) for low, high in intervals]) == words


@pytest.mark.parametrize(
    ("low", "high", "begins"),
    [
        (0.01, 0.03, "Better than climatology: skill +2.0"),
        (-0.03, -0.01, "Worse than climatology: skill \u22122.0"),
        (-0.01, 0.03, "Not distinguishable from climatology: skill +1.0"),
        (0.0, 0.0, "The same as climatology."),
        (None, None, "Too few forecasts to tell it from climatology."),
    ],
)
def test_one_figure_in_words(low, high, begins):
    assert describe_skill(figure(low, high)).startswith(begins)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return morning().part(SECTION)


def test_untrained_network_is_judged_by_the_priors_figures(evidence):
    assert find_evaluated("anchored_untrained", evidence.scores) == "prior"


def test_recipe_that_was_evaluated_is_judged_by_its_own_figures(evidence):
    assert find_evaluated("anchored_gru", evidence.scores) == "anchored_gru"
    assert replace(evidence, in_use="anchored_gru").recipes_in_question == ["anchored_gru"]


def test_challenger_with_the_very_figures_of_the_one_in_use_is_not_shown_twice(evidence):
    own = tuple(score for score in evidence.scores if score.recipe == "anchored_gru")
    twin = tuple(replace(score, recipe="anchored_untrained") for score in own)
    assert evidence.recipes_in_question == ["prior", "anchored_gru"]
    same = replace(evidence, scores=(*own, *twin), in_use="anchored_untrained")
    assert same.recipes_in_question == ["anchored_untrained"]


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
    where = {"recipe": "anchored_untrained+conformal", "commodity": "*", "horizon": "*"}
    share = Score(**where, metric="coverage_80", value=value, low=0.7, high=0.9, count=200)
    band = Score(**where, metric="band_80", value=0.8, low=low, high=high, count=200)
    scores = (*evidence.scores, share, band)
    return replace(evidence, scores=scores, in_use=find_evaluated("anchored_untrained", scores))


def test_forecasts_are_issued_calibrated_so_that_variant_is_the_one_in_use(evidence):
    given = calibrated(evidence, 0.79, 0.7, 0.9)
    assert given.in_use == "anchored_untrained+conformal"
    assert name_recipe(given.in_use) == "anchored_untrained, calibrated"


@pytest.mark.parametrize(
    ("value", "words"), [(0.79, "as it should"), (0.65, "outside what chance gives")]
)
def test_coverage_is_told_with_the_band_it_should_lie_in(evidence, value, words):
    (sentence,) = describe_coverage(calibrated(evidence, value, 0.7, 0.9), morning().commodities)
    assert words in sentence
    assert "(70" in sentence
    assert "of 200 outcomes" in sentence


def test_a_commodity_that_is_forecast_without_a_scored_past_is_said_to_be_untested(evidence):
    given = morning()
    name, commodities = given.commodities[1].name, given.commodities
    scores = tuple(score for score in evidence.scores if score.commodity != commodities[1].id)
    fewer = replace(evidence, scores=scores)
    assert describe_untested(evidence, commodities) == []
    (sentence,) = describe_untested(fewer, commodities)
    assert sentence == f"{name}: untested. No past forecast of it could be judged yet."
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
