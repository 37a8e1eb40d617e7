"""The verdict on skill in plain words."""

import re
from dataclasses import replace
from datetime import date

import pytest

from cbi_pipeline.report import formats, panels, skill
from cbi_pipeline.report.morning import Absence, Score
from cbi_pipeline.report.page import render
from tests.report.mornings import morning


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
    assert skill.verdict([figure(low, high) for low, high in intervals]) == words


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
    assert skill.sentence(figure(low, high)).startswith(begins)


def test_untrained_network_is_judged_by_the_priors_figures():
    assert skill.spoke(morning()) == "prior"


def test_recipe_that_was_evaluated_is_judged_by_its_own_figures():
    given = morning()
    trained = replace(given, model=replace(given.model, recipe="anchored_gru"))
    assert skill.spoke(trained) == "anchored_gru"
    assert skill.in_question(trained) == ["anchored_gru"]


def test_challenger_with_the_very_figures_of_the_speaker_is_not_shown_twice():
    given = morning()
    own = tuple(score for score in given.scores if score.recipe == "anchored_gru")
    twin = tuple(replace(score, recipe="anchored_untrained") for score in own)
    assert skill.in_question(given) == ["prior", "anchored_gru"]
    assert skill.in_question(replace(given, scores=(*own, *twin))) == ["anchored_untrained"]


def test_model_that_was_never_evaluated_claims_no_figures():
    given = morning()
    unknown = replace(given, model=replace(given.model, recipe="something_else"))
    assert skill.spoke(unknown) is None


def test_skill_columns_follow_the_order_of_the_naive_forecasts():
    titles = [column.title for column in skill.columns(morning().scores)]
    assert titles[-3:] == ["Skill vs climatology", "Skill vs ewma", "Skill vs prior"]


def test_skill_chart_runs_from_the_shortest_horizon_to_the_longest():
    given = morning()
    shuffled = replace(given, scores=tuple(sorted(given.scores, key=lambda s: s.horizon)))
    first = panels.skills(shuffled)[0].svg
    labels = re.findall(r">(1[wmq]) vs", first)
    assert labels == sorted(labels, key=["1w", "1m", "1q"].index)
    assert set(labels) == {"1w", "1m", "1q"}


def calibrated(value, low, high):
    """The morning of a champion whose calibrated variant was evaluated."""
    given = morning()
    where = {"recipe": "anchored_untrained+conformal", "commodity": "*", "horizon": "*"}
    held = Score(**where, metric="coverage_80", value=value, low=0.7, high=0.9, count=200)
    band = Score(**where, metric="band_80", value=0.8, low=low, high=high, count=200)
    return replace(given, scores=(*given.scores, held, band))


def test_forecasts_are_issued_calibrated_so_that_variant_is_the_one_in_use():
    given = calibrated(0.79, 0.7, 0.9)
    assert skill.spoke(given) == "anchored_untrained+conformal"
    assert skill.named(skill.spoke(given)) == "anchored_untrained, calibrated"


@pytest.mark.parametrize(
    ("value", "words"), [(0.79, "as it should"), (0.65, "outside what chance gives")]
)
def test_coverage_is_told_with_the_band_it_should_lie_in(value, words):
    (told,) = skill.coverage(calibrated(value, 0.7, 0.9))
    assert words in told
    assert "(70" in told
    assert "of 200 outcomes" in told


def test_a_commodity_that_speaks_without_a_scored_past_is_said_to_be_untested():
    given = morning()
    kept = tuple(score for score in given.scores if score.commodity != given.pages[1].id)
    assert skill.untested(given) == []
    (words,) = skill.untested(replace(given, scores=kept))
    assert words == f"{given.pages[1].name}: untested. No past forecast of it could be judged yet."
    assert words in render(replace(given, scores=kept))


def test_what_was_sat_out_stands_on_the_page_with_its_reason():
    given = morning()
    absence = Absence(
        recipe="garch_t",
        commodity=given.pages[1].id,
        absent=40,
        planned=100,
        last=date(2018, 3, 5),
        reason="82 returns were public at the refit of 2018-01-01, it needs 250",
    )
    (words,) = skill.sat_out(replace(given, absences=(absence,)))
    assert words == (
        f"GARCH(1,1)-t sat out 40 of 100 past forecasts of {given.pages[1].name}, the last from "
        f"{formats.day(absence.last)}: {absence.reason}."
    )
    assert words in render(replace(given, absences=(absence,)))
