"""Rows of the EIA's API, cell by cell, against an obvious oracle."""

import json
import math
import re
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.feeds import eia
from cbi_pipeline.feeds.source import Answer
from data_contracts.families import family

CODES = {one.code: one for one in eia.source().series}
TEXTS = ["25.78", ".833", "-36.98", "5.", "+5", "1e3", "1e999", "nan", "inf", " 1", "1 ", ""]
TEXTS += ["W", "NA", "--", None, "dear", "1,000", "0x1", "1_0", "-", ".", "e5", "\u0661"]
ODD = [25.78, 7, [1], {"a": 1}, True]
PERIODS = ["2020-01-02", "2020-1-2", "2020-02-30", "x", None, "2020-01-02T00", "9999-12-31"]
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

rows = st.fixed_dictionaries(
    {
        "period": st.sampled_from(PERIODS),
        "series": st.sampled_from(["RWTC", "WCESTUS1", "STRANGER"]),
        "value": st.sampled_from(TEXTS + ODD),
        "units": st.sampled_from(["$/BBL", "MBBL", None, "furlong"]),
        "area-name": st.just("NA"),
    }
)


def expected(row):
    text = row["value"]
    if text is not None and not isinstance(text, str):
        text = json.dumps(text)
    number = float(text) if text and NUMBER.fullmatch(text) else None
    status = {None: "missing", "W": "withheld", "NA": "missing", "--": "missing", "-": "missing"}
    known = CODES.get(row["series"])
    period = row["period"] or ""
    try:
        day = date.fromisoformat(period) if len(period) == 10 else None
    except ValueError:
        day = None
    rule = family(known.family).release if known else None
    return {
        "series_id": known.id if known else row["series"],
        "period": day,
        "value_text": text,
        "value": number if number is not None and math.isfinite(number) else None,
        "unit": {"$/BBL": "USD/bbl", "MBBL": "kb", None: ""}.get(row["units"], "furlong"),
        "status": status.get(text if text is None else text.strip(), "value"),
        "available_at": rule.rule(day) if rule and day and day.year < 9000 else None,
    }


@settings(deadline=None, max_examples=60)
@given(given_rows=st.lists(rows, max_size=12))
def test_every_cell_is_read_as_its_text_says_or_not_at_all(given_rows):
    body = json.dumps({"response": {"total": "1", "data": given_rows}}).encode()
    frame = eia.parse(Answer("https://x/", 200, {}, body), CODES).frame
    assert (
        frame.select(list(expected(given_rows[0]))).to_dicts()
        == [expected(row) for row in given_rows]
        if given_rows
        else frame.is_empty()
    )
    assert frame["locator"].to_list() == [f"data[{place}]" for place in range(len(given_rows))]


def test_the_source_row_travels_with_each_row():
    row = {"period": "2020-01-02", "series": "RWTC", "value": "dear", "units": "$/BBL"}
    body = json.dumps({"response": {"total": "1", "data": [row]}}).encode()
    frame = eia.parse(Answer("https://x/", 200, {}, body), CODES).sourced
    assert json.loads(frame["row_json"].item()) == row
