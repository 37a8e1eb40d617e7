"""A page read by columns is the page read object by object, or is left to that."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.feeds import eia_page
from cbi_pipeline.feeds.source import Answer
from tests.feeds.test_eia_rows import ODD, PERIODS, TEXTS

cells = st.sampled_from([*TEXTS, *ODD, 'with "quotes" and \\u00e9: é'])
rows = st.fixed_dictionaries(
    {"series": st.sampled_from(["RWTC", None, 7]), "period": st.sampled_from(PERIODS)},
    optional={"value": cells, "units": st.sampled_from(["$/BBL", None]), "more": cells},
)


@settings(max_examples=150)
@given(
    given_rows=st.lists(rows, max_size=6),
    total=st.sampled_from(["3", 3, None, "many"]),
    warnings=st.sampled_from([None, [{"warning": "cut"}]]),
)
def test_both_ways_of_reading_come_to_the_same(given_rows, total, warnings):
    response = {"total": total, "data": given_rows}
    content = {"response": response if warnings is None else response | {"warnings": warnings}}
    body = json.dumps(content).encode()
    quick = eia_page._by_columns(body)
    if quick is None:
        return
    slow = eia_page._by_objects(body)
    assert quick.table.select(slow.table.columns).equals(slow.table)
    assert [json.loads(row) for row in quick.source()] == given_rows
    assert quick.warnings == slow.warnings
    assert str(quick.head.get("total")) == str(slow.head.get("total"))


def test_a_page_of_text_is_read_by_columns():
    row = {"period": "2020-01-02", "series": "RWTC", "value": None, "units": "$/BBL"}
    body = json.dumps({"response": {"total": "2", "data": [row, row | {"value": "1"}]}}).encode()
    assert eia_page._by_columns(body) is not None


@pytest.mark.parametrize(
    "rows",
    [
        '[{"series":"A","period":"2020-01-02","value":"1"},{"series":"A","period":"2020-01-03"}]',
        '[{"series":"A","period":"2020-01-02","value":"1","value":"2"}]',
        '[{"series":"A","period":"2020-01-02","value":1.5}]',
        '[{"series":"A","period":"2020-01-02","value":["1"]}]',
    ],
    ids=["a cell is absent", "a cell stands twice", "numbers", "nested"],
)
def test_what_columns_cannot_tell_is_read_by_objects(rows):
    body = f'{{"response":{{"total":"1","data":{rows}}}}}'.encode()
    assert eia_page._by_columns(body) is None


def test_the_last_page_read_is_kept_for_the_next_reader():
    body = b'{"response":{"total":"0","data":[]}}'
    answer = Answer("https://x/", 200, {}, body)
    assert eia_page.read_page(answer) is eia_page.read_page(answer)
