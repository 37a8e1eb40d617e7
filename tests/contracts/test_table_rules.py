"""A delivery that is bad as a whole is refused as a whole, in words."""

from __future__ import annotations

import polars as pl

from data_contracts.table_rules import quarantined_share, series_present


def rows(**counts: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"series_id": [name for name, count in counts.items() for _ in range(count)]},
        schema={"series_id": pl.String},
    )


def shares(**counts: tuple[int, int]) -> pl.DataFrame:
    """Rows, and how many of them are refused, of each series."""
    return pl.DataFrame(
        [(name, *count) for name, count in counts.items()],
        schema={"series_id": pl.String, "rows": pl.UInt32, "refused": pl.UInt32},
        orient="row",
    )


def test_a_few_bad_rows_do_not_block() -> None:
    assert quarantined_share(shares(a=(100, 5), b=(100, 0))).passed


def test_too_many_bad_rows_of_one_series_block_and_the_series_is_named() -> None:
    outcome = quarantined_share(shares(a=(1000, 0), b=(10, 1)))
    assert not outcome.passed
    assert "b 10.0%" in outcome.detail
    assert "a " not in outcome.detail


def test_nothing_parsed_is_not_a_broken_share() -> None:
    assert quarantined_share(shares()).passed


def test_a_series_without_an_accepted_row_blocks_by_name() -> None:
    outcome = series_present(rows(a=3), ["a", "b"])
    assert not outcome.passed
    assert "'b'" in outcome.detail


def test_all_series_present_pass() -> None:
    assert series_present(rows(a=1, b=1), ["b", "a"]).passed
