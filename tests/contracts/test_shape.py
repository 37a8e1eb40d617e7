"""What no rule about a row can see: order, holes, rounding, a change of unit."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.families import FAMILIES
from data_contracts.shape import Shape, findings
from data_contracts.table_rules import DELIVERY_RULES, shape_outcomes

START = date(2020, 1, 3)
NONE = pl.DataFrame(schema={"part": pl.Int32, "series_id": pl.String})
WEEKLY = Shape(ascending=True, spacing=(7, 7), distinct_floor=0.5, scale_limit=20.0)


def weeks(values, *, skip=(), series="S") -> pl.DataFrame:
    """One value a week, those numbered in ``skip`` left out."""
    return pl.DataFrame(
        [
            (0, series, START + timedelta(weeks=number), float(value))
            for number, value in enumerate(values)
            if number not in skip
        ],
        schema={"part": pl.Int32, "series_id": pl.String, "period": pl.Date, "value": pl.Float64},
        orient="row",
    )


def broken(rows, shape=WEEKLY, refused=NONE) -> set[str]:
    return set(findings(rows, refused, {"S": shape})["rule"])


STEADY = weeks([80 + n / 7 for n in range(100)])


def test_a_steady_series_keeps_every_rule():
    assert broken(STEADY) == set()


def test_a_hole_is_found_and_named():
    (found,) = findings(weeks(range(1, 60), skip=[30]), NONE, {"S": WEEKLY}).to_dicts()
    assert (found["rule"], found["period"]) == ("period_spacing", START + timedelta(weeks=31))
    assert "14 days after" in found["detail"]


def test_a_hole_that_a_refused_row_explains_is_none():
    one = pl.DataFrame({"part": [0], "series_id": ["S"]}, schema=NONE.schema)
    assert broken(weeks(range(1, 60), skip=[30]), refused=one) == set()
    assert broken(weeks(range(1, 60), skip=[20, 30]), refused=one) == {"period_spacing"}


@pytest.mark.parametrize(("days", "kept"), [(5, False), (6, True), (8, True), (9, False)])
def test_reports_of_the_cftc_are_six_to_eight_days_apart(days, kept):
    shape = FAMILIES["cftc_legacy"].shape
    rows = STEADY.head(2).with_columns(
        period=pl.Series([START, START + timedelta(days=days)], dtype=pl.Date)
    )
    assert (broken(rows, shape) == set()) is kept


def test_a_row_out_of_order_is_found_and_only_within_its_response():
    swapped = pl.concat([STEADY[:50], STEADY[51:52], STEADY[50:51], STEADY[52:]])
    assert broken(swapped) == {"ascending_periods"}
    twice = pl.concat([STEADY, STEADY.with_columns(part=pl.lit(1, pl.Int32))])
    assert broken(twice) == set()


def test_a_publisher_that_starts_to_round_is_found():
    rounded = STEADY.with_columns(
        value=pl.when(pl.int_range(pl.len()) >= 60)
        .then(pl.col("value").round(0))
        .otherwise("value")
    )
    assert broken(rounded) == {"distinct_values"}


def test_fewer_values_than_a_window_say_nothing_of_rounding():
    assert broken(weeks([80.0] * 39), Shape(distinct_floor=0.5)) == set()
    assert broken(weeks([80.0] * 40), Shape(distinct_floor=0.5)) == {"distinct_values"}


@pytest.mark.parametrize("factor", [1000.0, 1 / 42, 100.0])
def test_a_change_of_unit_is_found(factor):
    changed = pl.when(pl.int_range(pl.len()) >= 90).then(pl.col("value") * factor)
    rows = STEADY.with_columns(value=changed.otherwise("value"))
    assert broken(rows) == {"scale_change"}


def test_a_single_extreme_is_no_change_of_scale():
    spike = pl.when(pl.int_range(pl.len()) == 90).then(pl.lit(-3700.0))
    assert broken(STEADY.with_columns(value=spike.otherwise("value"))) == set()


@given(
    st.lists(st.floats(0.5, 2000), min_size=26, max_size=60),
    st.floats(2, 50),
)
def test_the_scale_rule_equals_a_slow_oracle(values, limit):
    def median(part):
        ordered = sorted(part)
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2

    expected = set()
    for last in range(24, len(values)):
        after = median(values[last - 4 : last + 1])
        before = median(values[last - 24 : last - 4])
        if max(after / before, before / after) > limit:
            expected.add(START + timedelta(weeks=last))
    found = findings(weeks(values), NONE, {"S": Shape(scale_limit=limit)})
    assert set(found["period"]) == expected


def test_a_family_that_claims_nothing_finds_nothing():
    wild = weeks([0, 0, 1e9, -1, 0] * 20, skip=[3, 4, 9])
    assert broken(wild, Shape()) == set()


def test_every_rule_has_an_outcome_that_names_the_series():
    rows = weeks(range(1, 60), skip=[30])
    outcomes = {one.rule: one for one in shape_outcomes(findings(rows, NONE, {"S": WEEKLY}))}
    assert set(outcomes) == set(DELIVERY_RULES) - {"quarantined_share", "series_present"}
    assert not outcomes["period_spacing"].passed
    assert "S: 2020-08-07 is 14 days" in outcomes["period_spacing"].detail
    assert all(one.passed for rule, one in outcomes.items() if rule != "period_spacing")
