"""Splitting keeps every good row, names every broken rule, and loses nothing."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.core import Contract, Table, column
from data_contracts.split import ContractError, RowRule, split


class Sample(Table):
    """A table with one column of each kind of bound."""

    name: str = column("Name", isin=["a", "b"])
    amount: float = column("Amount", nullable=True, ge=0, lt=10)
    count: int = column("Count", gt=0, le=5)


SAMPLE = Contract(table="test.sample", model=Sample, key=("name",))

rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.one_of(st.none(), st.floats(width=32), st.sampled_from([0.0, 10.0, -1e-9])),
        st.integers(-1, 7),
    ),
    max_size=40,
)


def frame_of(data: list[tuple[str, float | None, int]]) -> pl.DataFrame:
    return pl.DataFrame(data, schema=SAMPLE.dtypes, orient="row")


def broken_rules(name: str, amount: float | None, count: int) -> set[tuple[str, str]]:
    """The rules a row breaks, worked out the slow way."""
    broken = set()
    if name not in ("a", "b"):
        broken.add(("isin", "name"))
    if amount is not None:
        if amount != amount or abs(amount) == float("inf"):
            broken.add(("finite", "amount"))
        if not amount >= 0:
            broken.add(("greater_than_or_equal_to", "amount"))
        if not amount < 10:
            broken.add(("less_than", "amount"))
    if not count > 0:
        broken.add(("greater_than", "count"))
    if not count <= 5:
        broken.add(("less_than_or_equal_to", "count"))
    return broken


@given(data=rows)
def test_good_rows_are_those_that_break_no_rule_in_their_order(
    data: list[tuple[str, float | None, int]],
) -> None:
    good = split(frame_of(data), SAMPLE).good
    assert good.rows() == [row for row in data if not broken_rules(*row)]


@given(data=rows)
def test_every_broken_rule_of_every_row_is_named(data: list[tuple[str, float | None, int]]) -> None:
    rejected = split(frame_of(data), SAMPLE).rejected
    found = {(row, rule, name) for row, rule, name, _ in rejected.iter_rows()}
    expected = {(at, *broken) for at, row in enumerate(data) for broken in nan_aware(row)}
    assert found == expected


def nan_aware(row: tuple[str, float | None, int]) -> set[tuple[str, str]]:
    # polars orders NaN above every number, so NaN keeps >= 0; it is caught by the finite rule.
    broken = broken_rules(*row)
    if row[1] is not None and row[1] != row[1]:
        broken.discard(("greater_than_or_equal_to", "amount"))
    return broken


def test_the_offending_value_is_kept_as_text() -> None:
    rejected = split(frame_of([("c", 3.5, 1)]), SAMPLE).rejected
    assert rejected.row(0) == (0, "isin", "name", "c")


def test_a_rule_of_the_caller_is_applied_beside_the_contract() -> None:
    rule = RowRule("even", "count", pl.col("count") % 2 == 0)
    outcome = split(frame_of([("a", 1.0, 2), ("a", 1.0, 3)]), SAMPLE, [rule])
    assert outcome.good["count"].to_list() == [2]
    assert outcome.rejected["rule"].to_list() == ["even"]


def test_a_rule_that_cannot_be_decided_counts_as_broken() -> None:
    rule = RowRule("positive", "amount", pl.col("amount") > 0)
    assert split(frame_of([("a", None, 2)]), SAMPLE, [rule]).good.is_empty()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda frame: frame.drop("count"), "count"),
        (lambda frame: frame.with_columns(extra=pl.lit(1)), "extra"),
        (lambda frame: frame.with_columns(pl.col("count").cast(pl.Int32)), "Int32"),
    ],
)
def test_wrong_columns_are_refused_by_name(change: object, named: str) -> None:
    with pytest.raises(ContractError, match=named):
        split(change(frame_of([("a", 1.0, 2)])), SAMPLE)  # type: ignore[operator]
