from datetime import timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warehouse.frames import at, observations, period, values

HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(["S.A", "S.B"]),
        st.integers(0, 3),
        st.integers(0, 4),
        st.integers(0, 4),
        st.one_of(st.none(), st.just("missing"), st.just("withdrawn")),
    ),
    max_size=25,
)


def numbered(history):
    """Tuples for ``observations``: version numbers count up within a cell, values all differ."""
    seen_before, rows = {}, []
    for number, (series, cell, available, seen, gap) in enumerate(history):
        version = seen_before[series, cell] = seen_before.get((series, cell), 0) + 1
        value = None if gap else float(number)
        rows.append((series, cell, version, available, seen, value, gap or "value"))
    return rows


def oracle(rows, t, knew, series):
    """One pass per question, newest version last."""
    newest = {}
    for name, cell, version, available, seen, value, status in rows:
        known_at = available if knew == "public" else seen
        if known_at <= t and (series is None or name in series):
            newest[name, period(cell)] = (version, value, status)
    return sorted(
        (name, cell, version, value)
        for (name, cell), (version, value, status) in newest.items()
        if status == "value"
    )


@settings(max_examples=15, deadline=None)
@given(HISTORIES, st.sampled_from([None, ["S.A"], ["S.B", "S.A"], ["S.C"], []]))
def test_reads_equal_a_slow_oracle_at_and_around_every_instant(undone, history, series):
    rows = numbered(history)
    with undone() as store:
        store.append("raw.observation", observations(rows))
        for knew in ("public", "ours"):
            for t in (-0.5, 0, 0.5, 1, 1.5, 2, 3, 4):
                read = store.as_of(at(t), knew, series)
                assert read.select("series_id", "period", "version", "value").rows() == oracle(
                    rows, t, knew, series
                )


def test_the_instant_itself_counts_and_the_microsecond_before_does_not(store):
    store.append("raw.observation", observations([("S.A", 0, 1, 5, 5, 1.0, "value")]))
    assert values(store.as_of(at(5))) == {0: 1.0}
    assert values(store.as_of(at(5) - timedelta(microseconds=1))) == {}


def test_an_instant_may_be_named_in_any_zone(store):
    store.append("raw.observation", observations([("S.A", 0, 1, 5, 5, 1.0, "value")]))
    east = at(5).astimezone(timezone(timedelta(hours=9)))
    assert values(store.as_of(east)) == {0: 1.0}
    assert values(store.as_of(east - timedelta(microseconds=1))) == {}


def test_a_read_names_when_each_value_became_known_and_on_what_belief(store):
    store.append("raw.observation", observations([("S.A", 0, 1, 5, 6, 1.0, "value")]))
    read = store.as_of(at(9))
    assert read.columns == [
        "series_id",
        "period",
        "version",
        "value",
        "available_at",
        "available_basis",
    ]
    assert read.row(0)[4:] == (at(5), "calendar")


def test_an_unknown_kind_of_knowledge_is_refused(store):
    with pytest.raises(ValueError, match=r"public.*ours"):
        store.as_of(at(0), "everyone")
