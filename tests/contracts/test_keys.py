"""Unique keys are told from repeated ones whatever the order of rows."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.keys import keys_are_unique

KEY = ["a", "b"]
ROW = st.tuples(st.sampled_from(["x", "y", "z", None]), st.integers(0, 4) | st.none())
ORDERS = [None, KEY, [*reversed(KEY)]]


def frame(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"a": pl.String, "b": pl.Int64}, orient="row")


@given(st.lists(ROW, max_size=12), st.sampled_from(ORDERS))
def test_it_says_what_counting_says(rows, order):
    told = frame(rows) if order is None else frame(rows).sort(order)
    assert keys_are_unique(told, KEY) is (len(set(rows)) == len(rows))


@pytest.mark.parametrize("order", ORDERS[1:])
def test_one_repeat_among_many_ordered_rows_is_seen(order):
    rows = frame([(name, number) for name in "abc" for number in range(100)])
    assert keys_are_unique(rows.sort(order), KEY)
    assert not keys_are_unique(pl.concat([rows, rows[150:151]]).sort(order), KEY)
