"""Changes that one sight is not enough for, and those it is."""

from datetime import date, timedelta
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.families import family
from data_contracts.restatement import (
    MASS,
    UNIT_FACTORS,
    find_restatements,
    is_confirmable,
    is_jump,
)

FAMILIES = {"S": family("eia_spot_daily")}
BEFORE = [50 + number / 7 for number in range(30)]


def cells(values: list[float | None]) -> pl.DataFrame:
    days = [date(2020, 1, 1) + timedelta(days=number) for number in range(len(values))]
    return pl.DataFrame(
        {"series_id": ["S"] * len(days), "period": days, "value": values},
        schema={"series_id": pl.String, "period": pl.Date, "value": pl.Float64},
    )


def rules(after: list[float | None], before: list[float] = BEFORE, families=FAMILIES) -> list[str]:
    return find_restatements(cells(after), cells(before), families)["rule"].to_list()


@pytest.mark.parametrize("factor", [10.0, 0.1, 100.0, 1e-3, *UNIT_FACTORS])
def test_a_series_restated_by_a_factor_names_it(factor):
    (rule,) = rules([value * factor for value in BEFORE])
    assert rule.startswith("factor_of_")
    assert is_confirmable(rule)
    number = float(Fraction(*map(Fraction, rule.removeprefix("factor_of_").split("/"))))
    assert number == pytest.approx(factor, rel=1e-4)


@pytest.mark.parametrize("value", [BEFORE[-1] * 10, BEFORE[-1] / 10.3, BEFORE[-1] / 42])
def test_a_next_value_of_another_size_names_its_factor(value):
    assert rules([*BEFORE, value])[0].startswith("factor_of_")


@given(st.floats(1 / 5, 5))
def test_a_market_that_moves_up_to_fivefold_is_believed(jump):
    assert rules([*BEFORE, BEFORE[-1] * jump]) == []


@pytest.mark.parametrize("value", [-36.98, 0.0, None])
def test_a_next_value_without_a_ratio_is_believed(value):
    assert rules([*BEFORE, value]) == []


def test_a_next_value_after_wild_ones_is_believed():
    wild = [5.0 if number % 2 else 60.0 for number in range(30)]
    assert rules([*wild, 50.0], wild) == []


def test_a_first_load_is_no_restatement():
    assert rules(BEFORE, []) == []


def test_a_mass_restatement_is_one_beyond_the_familys_own_share():
    share = FAMILIES["S"].restated_share
    assert share is not None
    few, many = int(len(BEFORE) * share), int(len(BEFORE) * share) + 1
    for number, found in ((few, []), (many, [MASS])):
        assert rules([v + 1 for v in BEFORE[:number]] + BEFORE[number:]) == found


def test_counts_of_contracts_have_no_size_to_keep():
    assert rules([value * 10 for value in BEFORE], families={"S": family("cftc_legacy")}) == []


@pytest.mark.parametrize("newest", [BEFORE[-1] + 2, BEFORE[-1] - 2.5, BEFORE[-1] * 12, 0.0, -36.98])
def test_a_newest_value_beyond_ten_usual_steps_of_the_last_ones_is_a_jump(newest):
    assert is_jump([*BEFORE, newest])


@pytest.mark.parametrize("newest", [BEFORE[-1] + 1.3, BEFORE[-1] - 1.9, BEFORE[-3]])
def test_what_is_near_any_of_the_last_values_is_none(newest):
    assert not is_jump([*BEFORE, newest])


def test_a_level_that_stays_is_a_jump_on_its_first_day_alone():
    values = [*BEFORE, 90.0]
    assert is_jump(values)
    assert not is_jump([*values, 90.2])
    assert not is_jump([*values, BEFORE[-1]]), "and neither is the way back"


@pytest.mark.parametrize("values", [[], [5.0], [*BEFORE[:15], 900.0], [*[3.0] * 40, 900.0]])
def test_nothing_is_claimed_of_few_values_or_of_those_that_stand_still(values):
    assert not is_jump(values)


@given(st.lists(st.integers(-(10**6), 10**6), max_size=60), st.sampled_from([-3, 42]))
def test_a_jump_is_one_in_every_unit(values, factor):
    assert is_jump(values) == is_jump([value * factor for value in values])
