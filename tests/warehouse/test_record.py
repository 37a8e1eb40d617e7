"""What recording a response writes: first values, revisions, vintages, withdrawals."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cbi_pipeline.warehouse._versions import Recorded
from tests.warehouse.frames import at, parsed, values


def record(store, rows, seen, complete=()):
    return store.record(rows, seen_at=at(seen), txn_id=1, complete=complete)


def versions(store, *columns):
    return store.table("raw.observation").select(columns).rows()


def test_a_first_value_is_available_at_its_own_instant(store):
    recorded = record(store, parsed({0: 1.0}, available=at(3), basis="assumed"), seen=10)
    assert recorded == Recorded(added=1, unchanged=0, withdrawn=0, outdated=0)
    assert versions(store, "version", "available_at", "available_basis", "seen_at") == [
        (1, at(3), "assumed", at(10))
    ]


def test_a_first_value_of_unknown_instant_is_available_when_seen(store):
    record(store, parsed({0: 1.0}, available=None, basis="assumed"), seen=10)
    assert versions(store, "available_at", "available_basis") == [(at(10), "first_seen")]


def test_the_same_content_again_adds_nothing(store):
    rows = parsed({0: 1.0, 1: None, 2: -0.0}, available=at(3))
    record(store, rows, seen=10, complete=["S.A"])
    before = store.table("raw.observation")
    again = record(store, rows.with_columns(response_id=pl.lit("response-2")), 11, ["S.A"])
    assert again == Recorded(added=0, unchanged=3, withdrawn=0, outdated=0)
    assert_frame_equal(store.table("raw.observation"), before)


def test_a_changed_download_is_available_when_first_seen(store):
    record(store, parsed({0: 1.0}, available=at(3)), seen=10)
    record(store, parsed({0: 2.0}, available=at(3)), seen=20)
    assert versions(store, "version", "value", "available_at", "available_basis") == [
        (1, 1.0, at(3), "calendar"),
        (2, 2.0, at(20), "first_seen"),
    ]


def test_a_value_that_turns_back_is_a_third_version(store):
    for seen, value in ((10, 1.0), (20, 2.0), (30, 1.0)):
        record(store, parsed({0: value}, available=at(3)), seen)
    assert versions(store, "version", "value") == [(1, 1.0), (2, 2.0), (3, 1.0)]


def test_a_sign_of_zero_is_a_change(store):
    record(store, parsed({0: 0.0}, available=at(3)), seen=10)
    assert record(store, parsed({0: -0.0}, available=at(3)), seen=11).added == 1


def test_a_value_that_goes_missing_is_a_change(store):
    record(store, parsed({0: 1.0}, available=at(3)), seen=10)
    record(store, parsed({0: None}, available=at(3)), seen=11)
    assert versions(store, "version", "status", "value") == [
        (1, "value", 1.0),
        (2, "missing", None),
    ]


@pytest.mark.parametrize("basis", ["stamp", "calendar"])
def test_a_later_dated_vintage_is_available_at_its_date(store, basis):
    record(store, parsed({0: 1.0}, available=at(3), basis=basis), seen=100)
    record(store, parsed({0: 2.0}, available=at(5), basis=basis), seen=100)
    assert versions(store, "version", "available_at", "available_basis") == [
        (1, at(3), basis),
        (2, at(5), basis),
    ]


def test_a_later_assumed_instant_is_no_vintage(store):
    record(store, parsed({0: 1.0}, available=at(3), basis="assumed"), seen=10)
    record(store, parsed({0: 2.0}, available=at(5), basis="assumed"), seen=20)
    assert versions(store, "available_at", "available_basis")[1] == (at(20), "first_seen")


def test_a_period_absent_from_a_complete_download_is_withdrawn_when_seen(store):
    own = lambda number: at(number)  # noqa: E731
    record(store, parsed({0: 1.0, 1: 2.0, 2: 3.0}, available=own), 10, ["S.A"])
    recorded = record(store, parsed({0: 1.0, 2: 3.0}, available=own), 20, ["S.A"])
    assert recorded == Recorded(added=0, unchanged=2, withdrawn=1, outdated=0)
    assert store.table("raw.observation", "status = 'withdrawn'").select(
        "version", "value", "available_at", "available_basis"
    ).rows() == [(2, None, at(20), "first_seen")]


def test_a_period_absent_from_a_complete_dated_vintage_is_withdrawn_at_its_date(store):
    record(store, parsed({0: 1.0, 1: 2.0, 2: 3.0}, available=at(3)), 100, ["S.A"])
    record(store, parsed({0: 1.0, 2: 3.0}, available=at(5)), 100, ["S.A"])
    assert store.table("raw.observation", "status = 'withdrawn'").select(
        "available_at", "available_basis"
    ).rows() == [(at(5), "calendar")]


def test_absence_from_a_response_that_claims_no_completeness_means_nothing(store):
    record(store, parsed({0: 1.0, 1: 2.0}, available=at(3)), 10)
    assert record(store, parsed({0: 1.0}, available=at(3)), 20).withdrawn == 0


def test_a_withdrawn_period_may_come_back(store):
    own = lambda number: at(number)  # noqa: E731
    record(store, parsed({0: 1.0, 1: 2.0}, available=own), 10, ["S.A"])
    record(store, parsed({0: 1.0}, available=own), 20, ["S.A"])
    record(store, parsed({0: 1.0}, available=own), 25, ["S.A"])
    record(store, parsed({0: 1.0, 1: 2.0}, available=own), 30, ["S.A"])
    assert values(store.as_of(at(19), "ours")) == {0: 1.0, 1: 2.0}
    assert values(store.as_of(at(29), "ours")) == {0: 1.0}
    assert values(store.as_of(at(30), "ours")) == {0: 1.0, 1: 2.0}
    assert len(store.table("raw.observation")) == 4


def test_a_changed_row_of_an_older_vintage_changes_nothing_that_is_current(store):
    record(store, parsed({0: 1.0}, available=at(3)), seen=100)
    record(store, parsed({0: 2.0}, available=at(5)), seen=100)
    recorded = record(store, parsed({0: 9.0}, available=at(3)), seen=101)
    assert recorded == Recorded(added=0, unchanged=0, withdrawn=0, outdated=1)
    assert values(store.as_of(at(200))) == {0: 2.0}


def test_a_correction_of_the_newest_vintage_itself_is_available_when_seen(store):
    record(store, parsed({0: 1.0}, available=at(3)), seen=100)
    record(store, parsed({0: 2.0}, available=at(5)), seen=100)
    record(store, parsed({0: 2.5}, available=at(5)), seen=101)
    for _ in range(2):
        assert record(store, parsed({0: 1.0}, available=at(3)), seen=102).added == 0
        assert record(store, parsed({0: 2.5}, available=at(5)), seen=102).added == 0
    assert values(store.as_of(at(100.5))) == {0: 2.0}
    assert values(store.as_of(at(101))) == {0: 2.5}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"value": pl.lit(float("nan"))}, "not finite"),
        ({"value": pl.lit(float("inf"))}, "not finite"),
        ({"status": pl.lit("missing")}, "denies the value"),
        ({"value": pl.lit(None, pl.Float64)}, "denies the value"),
        ({"available_at": pl.lit(None, pl.Datetime("us", "UTC"))}, "no instant"),
        ({"value": pl.lit("1")}, "value is String, expected Float64"),
        ({"period": pl.lit(parsed({0: 1.0})["period"][0])}, "stand twice"),
    ],
)
def test_rows_that_cannot_be_observations_are_refused(store, change, complaint):
    rows = parsed({0: 1.0, 1: 2.0}, available=at(3)).with_columns(**change)
    with pytest.raises(ValueError, match=complaint):
        record(store, rows, seen=10)
    assert store.table("raw.observation").is_empty()


def test_an_empty_answer_is_no_proof_of_withdrawal(store):
    record(store, parsed({0: 1.0}, available=at(3)), 10, ["S.A"])
    with pytest.raises(ValueError, match=r"no row at all for S\.A"):
        record(store, parsed({}), 20, ["S.A"])


CONTENT = st.dictionaries(st.integers(0, 5), st.sampled_from([1.0, 2.0, None]))
VINTAGE = CONTENT.filter(lambda content: len(content) > 1)


def present(content):
    return {number: value for number, value in sorted(content.items()) if value is not None}


@settings(max_examples=8, deadline=None)
@given(st.lists(VINTAGE, min_size=1, max_size=5), st.data())
def test_dated_vintages_are_known_from_their_date_to_the_next(undone, vintages, data):
    with undone() as store:
        for number, content in enumerate(vintages):
            record(store, parsed(content, available=at(number)), 100, ["S.A"])
        before = store.table("raw.observation")
        again = data.draw(st.lists(st.integers(0, len(vintages) - 1), max_size=4))
        for number in again:
            record(store, parsed(vintages[number], available=at(number)), 200, ["S.A"])
        assert_frame_equal(store.table("raw.observation"), before)
        for number, content in enumerate(vintages):
            assert values(store.as_of(at(number))) == present(content)
            assert values(store.as_of(at(number + 0.9))) == present(content)
        assert values(store.as_of(at(-0.1))) == {}


@settings(max_examples=8, deadline=None)
@given(st.lists(CONTENT, min_size=1, max_size=6), st.sampled_from(["calendar", "assumed"]))
def test_repeated_downloads_are_what_we_knew_from_one_to_the_next(undone, downloads, basis):
    # Each period has a release instant of its own, long before the first download.
    with undone() as store:
        for number, content in enumerate(downloads):
            own = parsed({**content, 9: 0.0}, available=lambda n: at(n - 100), basis=basis)
            record(store, own, number, ["S.A"])
            assert record(store, own, number + 0.5, ["S.A"]).added == 0
        for number, content in enumerate(downloads):
            read = values(store.as_of(at(number + 0.7), "ours"))
            assert read == {**present(content), 9: 0.0}
        assert values(store.as_of(at(100))) == read
