"""A user's own file: one value for each period, or the line as it stands."""

import json

import polars as pl
import pytest

from cbi_pipeline.feeds import UnexpectedShape, csv_import

URL = csv_import.address("palm.csv", "DESK.CPO", "USD/t", "desk book")


def rows(text: str) -> list[dict[str, object]]:
    return csv_import.parse(URL, text.encode()).frame.to_dicts()


def test_a_line_as_wide_as_its_header_is_read():
    (row, none) = rows("value,period,note\n80.25,2020-01-01,\n NA ,2020-01-02,shut\n")
    assert (row["value"], row["status"], row["locator"]) == (80.25, "value", "line 2")
    assert (none["value"], none["status"]) == (None, "missing")
    assert json.loads(str(none["row_json"])) == {
        "value": " NA ",
        "period": "2020-01-02",
        "note": "shut",
    }


@pytest.mark.parametrize(
    ("header", "line", "told"),
    [
        ("period,value", "2020-01-01,80,25", {"value": "80", "extra cells": ["25"]}),
        ("value,period", "80,25,2020-01-01", {"value": "80", "extra cells": ["2020-01-01"]}),
        ("period,value", "2020-01-01,80,", {"value": "80", "extra cells": [""]}),
        ("period,value", "2020-01-01", {"period": "2020-01-01"}),
        ("value,period", "80", {"value": "80"}),
        ("period,value,note", "2020-01-01,80", {"value": "80"}),
    ],
)
def test_a_line_of_another_width_has_its_text_and_no_value(header, line, told):
    (row,) = rows(f"{header}\n{line}\n")
    assert (row["value"], row["status"], row["value_text"]) == (None, "value", line)
    assert told.items() <= json.loads(str(row["row_json"])).items()


def test_lines_without_any_text_are_no_rows():
    assert len(rows("period,value\n\n2020-01-01,80\n,\n,,\n")) == 1


@pytest.mark.parametrize(
    "header", ["period,value,value", "period,period,value", "period,value,a,a"]
)
def test_a_header_with_two_columns_of_one_name_is_refused(header):
    with pytest.raises(UnexpectedShape, match="more than once"):
        rows(f"{header}\n2020-01-01,80,81,82\n")


def test_columns_without_a_name_may_be_several():
    (row,) = rows("period,value,,\n2020-01-01,80,,\n")
    assert row["value"] == 80.0


def test_a_long_file_is_read_in_parts_that_number_its_lines_through(monkeypatch):
    lines = [f"2020-01-{day:02},{day}" for day in range(1, 32)]
    text = "\n".join(["period,value", *lines])
    whole = csv_import.parse(URL, text.encode())
    monkeypatch.setattr(csv_import, "_PART", 7)
    parts = list(csv_import.parse(URL, text.encode()).parts())
    assert [len(part.frame) for part in parts] == [7, 7, 7, 7, 3]
    assert pl.concat(part.frame for part in parts).equals(whole.frame)
    assert parts[0].complete == whole.complete


def test_a_long_file_that_ends_within_a_quote_is_refused(monkeypatch):
    monkeypatch.setattr(csv_import, "_PART", 1)
    parsed = csv_import.parse(URL, b'period,value\n2020-01-01,80\n"2020')
    with pytest.raises(UnexpectedShape):
        list(parsed.parts())


@pytest.mark.parametrize("text", ["", "\n", "day;price\n2020-01-01;1\n", 'period,value\n"2020'])
def test_what_is_no_such_file_is_refused(text):
    with pytest.raises(UnexpectedShape):
        rows(text)
