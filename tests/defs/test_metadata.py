"""What a run shows."""

import polars as pl
import pytest

from cbi_pipeline.defs import metadata
from data_contracts import CONTRACTS, contract


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_columns_shown_are_those_of_the_contract(name):
    shown = metadata.column_schema(name).columns
    assert [column.name for column in shown] == list(contract(name).dtypes)
    for column in shown:
        declared = contract(name).columns[column.name]
        assert declared.description in (column.description or "")
        assert column.constraints.nullable == declared.nullable


def test_a_column_shows_its_unit_and_its_bounds():
    columns = {column.name: column for column in metadata.column_schema("features.origin").columns}
    session = {column.name: column for column in metadata.column_schema("features.target").columns}
    assert session["horizon"].description.endswith("[session]")
    assert "greater_than_or_equal_to(0)" in columns["variance_ewma"].constraints.other


def test_a_table_shows_every_row_and_column_whole():
    frame = pl.DataFrame({f"column_{n}": ["x" * 60] * 40 for n in range(12)})
    lines = metadata.table(frame).md_str.splitlines()
    assert len(lines) == 42
    assert all(line.count("x" * 60) == 12 for line in lines[2:])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("two\nlines", "two lines"),
        ("<img src=x onerror=alert(1)>", r"\<img src=x onerror=alert(1)\>"),
        ("[click](http://x)", r"\[click\](http://x)"),
        ("`code` *bold*", r"\`code\` \*bold\*"),
        ("\x1b[31m\u202e", r"\\x1b\[31m\\u202e"),
        ("gasoline_mn", "gasoline_mn"),
    ],
)
def test_text_in_a_table_is_shown_as_it_stands_in_a_row_of_its_own(text, shown):
    lines = metadata.table(pl.DataFrame({"value": [text, None]})).md_str.splitlines()
    assert len(lines) == 4
    assert shown in lines[2]
