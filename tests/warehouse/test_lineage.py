"""Every value known at an instant leads back to the response that carried it."""

import pytest

from cbi_pipeline.ledger import Ledger
from cbi_pipeline.warehouse import lineage
from tests.warehouse.frames import at, parsed, period, reference


@pytest.fixture
def told(store, tmp_path):
    """Two responses, the second of which restates a period and adds one."""
    ledger = Ledger(tmp_path)
    first, second = (
        ledger.land(feed="f", url="u", body=body, fetched_at=at(0)) for body in (b"1", b"2")
    )
    store.replace("ref.series", reference("S.A"))
    store.append("ledger.response", ledger.frame([first, second]))
    before = parsed({0: 1.0, 1: 2.0}, available=at(5), response=first.response_id)
    after = parsed({1: 2.5, 2: 3.0}, available=at(8), response=second.response_id)
    store.record(before, seen_at=at(6), txn_id=1)
    store.record(after, seen_at=at(9), txn_id=2)
    return store, first, second


def test_a_value_is_traced_to_the_bytes_that_carried_it_as_known_then(told):
    store, first, second = told
    early = lineage(store, at(7), "S.A", last=10)
    late = lineage(store, at(8), "S.A", last=10)
    columns = ["period", "value", "unit", "sha256"]
    a, b = first.sha256, second.sha256
    assert early.select(columns).rows() == [
        (period(0), 1.0, "USD/bbl", a),
        (period(1), 2.0, "USD/bbl", a),
    ]
    assert late.select(columns).rows() == [
        (period(0), 1.0, "USD/bbl", a),
        (period(1), 2.5, "USD/bbl", b),
        (period(2), 3.0, "USD/bbl", b),
    ]


def test_only_the_newest_periods_are_given(told):
    store, *_ = told
    assert lineage(store, at(9), "S.A", last=1)["period"].to_list() == [period(2)]


def test_a_response_that_the_table_lacks_leaves_its_hash_empty(told):
    store, *_ = told
    store.record(parsed({9: 1.0}, available=at(20)), seen_at=at(20), txn_id=3)
    row = lineage(store, at(21), "S.A", last=1).row(0, named=True)
    assert (row["response_id"], row["sha256"]) == ("response-1", None)
