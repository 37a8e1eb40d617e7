"""The state: equal for equal knowledge, different for any difference that could be known."""

import hashlib
import struct
from itertools import pairwise
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.warehouse import Warehouse
from tests.warehouse.frames import at, observations, parsed, period, reference
from tests.warehouse.test_as_of import HISTORIES, numbered

SERIES = ["S.A", "S.B"]


def oracle(rows, t, unit="USD/bbl"):
    """The definition, row by row in plain Python."""
    known = [row for row in rows if row[3] <= t]
    hidden = {
        (series, cell, version)
        for series, cell, version, available, *_ in known
        for other in known
        if other[:2] == (series, cell) and other[2] > version and other[3] <= available
    }
    blocks = {}
    for series, cell, version, available, _, value, status in known:
        if (series, cell, version) not in hidden:
            block = blocks.setdefault((series, period(cell).year), [])
            block.append((period(cell), at(available), value, status))
    lines = []
    for (series, year), block in sorted(blocks.items()):
        digest = hashlib.sha256()
        for day, instant, value, status in sorted(block, key=lambda row: row[:2]):
            digest.update(
                struct.pack(
                    "<iqdB",
                    (day - pl.Series([0]).cast(pl.Date)[0]).days,
                    (instant - at(0)).days * 86_400_000_000 + round(at(0).timestamp() * 1e6),
                    value or 0.0,
                    ["value", "missing", "withheld", "withdrawn"].index(status),
                )
            )
        lines.append(f"{series}\t{unit}\t{year}\t{digest.hexdigest()}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@settings(max_examples=8, deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False))
def test_it_equals_the_definition_whatever_the_order_of_rows_and_the_steps(undone, history, random):
    rows = numbered(history)
    # Periods of one year and of another.
    rows = [(s, cell * 170, *rest) for s, cell, *rest in rows]
    shuffled = random.sample(rows, len(rows))
    with undone() as store:
        store.replace("ref.series", reference(*SERIES))
        cut = sorted(random.randrange(len(rows) + 1) for _ in range(2))
        for first, end in pairwise([0, *cut, len(rows)]):
            store.append("raw.observation", observations(shuffled[first:end]))
            assert store.state(at(2), SERIES) == oracle(shuffled[:end], 2)
        instants = (-1, 0, 1, 3, 4, 9)
        told = {at(t): oracle(rows, t) for t in instants}
        assert {at(t): store.state(at(t), SERIES) for t in instants} == told
        assert store.states(list(told), SERIES) == told


def state_after(undone, steps, as_of=1000, series=SERIES, unit="USD/bbl"):
    """The state after recording (rows, seen) steps."""
    with undone() as store:
        store.replace("ref.series", reference(*SERIES, unit=unit))
        for rows, seen in steps:
            store.record(rows, seen_at=at(seen), txn_id=1)
        return store.state(at(as_of), series)


A = parsed({0: 1.0, 1: 2.0, 200: 3.0}, series="S.A", available=at(0))
B = parsed({0: 5.0}, series="S.B", available=at(0), response="response-2")


@pytest.mark.parametrize(
    "steps",
    [
        [(A, 1), (B, 1)],
        [(B, 1), (A, 1)],
        [(pl.concat([B, A]).reverse(), 1)],
        [(A, 1), (A, 2), (B, 3), (A, 4), (B, 5)],
        [(A[:2], 7), (A[2:], 8), (B, 9)],
        [(A.with_columns(response_id=pl.lit("response-9"), locator=pl.lit("x")), 5), (B, 6)],
    ],
    ids=["a then b", "b then a", "together", "again and again", "in parts", "other response"],
)
def test_how_the_content_came_leaves_no_trace(undone, steps):
    assert state_after(undone, steps) == state_after(undone, [(A, 1), (B, 1)])


@pytest.mark.parametrize(
    "other",
    [
        A.with_columns(value=pl.col("value").replace(3.0, 3.0000000000000004)),
        A.with_columns(available_at=pl.lit(at(0.5), pl.Datetime("us", "UTC"))),
        A[:2],
        A.with_columns(
            value=pl.lit(None, pl.Float64), status=pl.lit("missing"), value_text=pl.lit("")
        ),
    ],
    ids=["value", "instant", "row", "status"],
)
def test_any_difference_that_could_be_known_shows(undone, other):
    assert state_after(undone, [(A, 1)]) != state_after(undone, [(other, 1)])


def test_the_unit_is_part_of_it(undone):
    before = state_after(undone, [(A, 1)])
    assert state_after(undone, [(A, 1)]) == before
    assert state_after(undone, [(A, 1)], unit="USD/gal") != before


def test_what_becomes_known_later_does_not_touch_the_state_of_before(undone):
    later = parsed({0: 9.0, 300: 1.0}, series="S.A", available=at(50))
    for as_of, same in ((49.9, True), (50, False)):
        alone = state_after(undone, [(A, 1)], as_of)
        followed = state_after(undone, [(A, 1), (later, 60)], as_of)
        assert (alone == followed) is same


def test_an_instant_may_be_told_in_any_zone(undone):
    there = at(50).astimezone(ZoneInfo("America/New_York"))
    with undone() as store:
        store.replace("ref.series", reference(*SERIES))
        store.record(A, seen_at=at(1), txn_id=1)
        store.record(parsed({300: 1.0}, series="S.A", available=at(50)), seen_at=at(50), txn_id=2)
        assert store.state(there, SERIES) == store.state(at(50), SERIES)
        assert store.state(there, SERIES) != store.state(at(49), SERIES)


def test_a_rolled_back_write_leaves_no_trace(tmp_path):
    warehouse = Warehouse(tmp_path)
    with warehouse.write() as store:
        store.replace("ref.series", reference(*SERIES))
        store.record(A, seen_at=at(1), txn_id=1)
        before = store.state(at(1000), SERIES)
        with pytest.raises(RuntimeError), store.transaction():
            store.record(B, seen_at=at(1), txn_id=1)
            assert store.state(at(1000), SERIES) != before
            raise RuntimeError
        assert store.state(at(1000), SERIES) == before


def test_a_database_from_before_the_block_hashes_gets_them(tmp_path):
    warehouse = Warehouse(tmp_path)
    with warehouse.write() as store:
        store.replace("ref.series", reference(*SERIES))
        store.record(A, seen_at=at(1), txn_id=1)
        before = store.state(at(1000), SERIES)
    with duckdb.connect(str(tmp_path / "cbi.duckdb")) as old:
        old.execute("DROP TABLE meta.state_block")
        old.execute("UPDATE meta.layout SET hash = 'of other days'")
    with warehouse.write() as store:
        assert store.state(at(1000), SERIES) == before


def test_only_the_named_series_count(undone):
    alone = state_after(undone, [(A, 1)], series=["S.A"])
    assert state_after(undone, [(A, 1), (B, 1)], series=["S.A"]) == alone
    assert state_after(undone, [(A, 1), (B, 1)]) != alone


def test_a_series_without_a_unit_is_refused(store):
    store.append("raw.observation", observations([("S.A", 0, 1, 0, 0, 1.0, "value")]))
    with pytest.raises(ValueError, match=r"S\.A .* ref\.series"):
        store.state(at(1), ["S.A"])
