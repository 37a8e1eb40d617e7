"""A delivery that is bad as a whole is refused as a whole, in words."""

from __future__ import annotations

import polars as pl

from data_contracts.table_rules import quarantined_share, series_present


def rows(**counts: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"series_id": [name for name, count in counts.items() for _ in range(count)]},
        schema={"series_id": pl.String},
    )


def test_a_few_bad_rows_do_not_block() -> None:
    assert quarantined_share(rows(a=100, b=100), rows(a=5)).passed


def test_too_many_bad_rows_of_one_series_block_and_the_series_is_named() -> None:
    outcome = quarantined_share(rows(a=1000, b=10), rows(b=1))
    assert not outcome.passed
    assert "b 10.0%" in outcome.detail
    assert "a " not in outcome.detail


def test_nothing_parsed_is_not_a_broken_share() -> None:
    assert quarantined_share(rows(), rows()).passed


def test_a_series_without_an_accepted_row_blocks_by_name() -> None:
    outcome = series_present(rows(a=3), ["a", "b"])
    assert not outcome.passed
    assert "'b'" in outcome.detail


def test_all_series_present_pass() -> None:
    assert series_present(rows(a=1, b=1), ["b", "a"]).passed
