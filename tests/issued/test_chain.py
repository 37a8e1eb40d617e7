"""The hash chain: what it covers, and that no single alteration goes unnamed."""

import hashlib
import json
import struct
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.issued.chain import GENESIS, chain, encode_row, faults, row_hash
from cbi_pipeline.issued.plain_file import extend, line, parse, verify
from data_contracts.issued import FORECAST
from tests.issued.spoken import chained, nights

CHAIN = chained()
NUMBERS = st.integers(0, CHAIN.height - 1)


def altered(value):
    """Another value of the same type, as near as can be."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        (bits,) = struct.unpack(">q", struct.pack(">d", value))
        return struct.unpack(">d", struct.pack(">q", bits + 1))[0]
    if isinstance(value, datetime):
        return value + timedelta(microseconds=1)
    if isinstance(value, date):
        return value + timedelta(days=1)
    return value[:-1] + ("x" if value[-1] != "x" else "y")


def frame(lines: list[dict]) -> pl.DataFrame:
    return pl.DataFrame(lines, schema=FORECAST.dtypes)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    path = tmp_path_factory.mktemp("issued") / "forecasts.jsonl"
    extend(path, CHAIN.iter_rows(named=True))
    return path


def test_whole_chain_has_no_fault(copied):
    assert verify(CHAIN, copied) == []


def test_canonical_form_is_the_documented_one():
    row = {
        "sequence": 3,
        "track": "live",
        "as_of": datetime(2020, 2, 12, 15, 30, tzinfo=UTC),
        "commodity": "wti",
        "horizon": 5,
        "quantile": 0.5,
        "model_version": 'a"b\u00e9',
        "origin_session": date(2019, 1, 3),
        "target_session": date(2019, 1, 10),
        "origin_price": 46.92,
        "value": -0.0,
        "price": 46.92,
        "up": 1.0,
        "volatility": 0.0,
        "issued_at": datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        "state": "s",
        "carried": True,
    }
    assert encode_row(row) == (
        '["issued.forecast/1",3,"live",1581521400000000,"wti",5,"3fe0000000000000","a\\"b\\u00e9",'
        '"2019-01-03","2019-01-10","404775c28f5c28f6","8000000000000000","404775c28f5c28f6",'
        '"3ff0000000000000","0000000000000000",1,"s","true"]'
    )
    assert (
        row_hash(row, GENESIS) == hashlib.sha256((GENESIS + encode_row(row)).encode()).hexdigest()
    )


def test_each_row_carries_the_hash_of_the_row_before():
    assert CHAIN["prev_hash"].to_list() == [GENESIS, *CHAIN["row_hash"].to_list()[:-1]]


def test_chaining_in_parts_gives_the_same_rows_as_chaining_at_once():
    first, second = nights(2)
    one = chain(first)
    two = chain(second, one["row_hash"][-1], one["sequence"][-1])
    assert pl.concat([one, two]).equals(CHAIN)


@settings(max_examples=120, deadline=None)
@given(number=NUMBERS, name=st.sampled_from(list(FORECAST.dtypes)))
def test_any_single_change_in_the_database_is_named(number, name):
    lines = CHAIN.to_dicts()
    lines[number][name] = altered(lines[number][name])
    named = lines[number]["sequence"]
    found = faults(sorted(lines, key=lambda row: row["sequence"]))
    assert any(f"row {named}" in fault or f"row {number + 1} " in fault for fault in found)


@settings(deadline=None)
@given(number=NUMBERS)
def test_any_row_missing_from_the_database_is_named(copied, number):
    lines = CHAIN.to_dicts()
    gone = lines.pop(number)["sequence"]
    assert any(
        f"row {gone} " in fault and ("missing" in fault or "lacks" in fault)
        for fault in verify(frame(lines), copied)
    )


@settings(deadline=None)
@given(numbers=st.lists(NUMBERS, min_size=2, max_size=2, unique=True))
def test_two_rows_that_changed_places_are_named(copied, numbers):
    lines = CHAIN.to_dicts()
    one, two = (lines[n] for n in numbers)
    one["sequence"], two["sequence"] = two["sequence"], one["sequence"]
    found = "\n".join(verify(frame(lines), copied))
    assert all(f"row {lines[n]['sequence']} " in found for n in numbers)


@settings(deadline=None)
@given(number=NUMBERS, name=st.sampled_from(["price", "up", "model_version"]))
def test_a_chain_computed_anew_after_a_change_differs_from_the_file(copied, number, name):
    lines = CHAIN.to_dicts()
    lines[number][name] = altered(lines[number][name])
    forged = chain(frame(lines).drop("sequence", "prev_hash", "row_hash"))
    assert faults(forged.to_dicts()) == []
    found = verify(forged, copied)
    assert f"row {number + 1} " in found[0]
    assert name in found[0]


@settings(deadline=None)
@given(number=st.integers(0, CHAIN.height - 2))
def test_row_rewritten_with_its_own_hash_made_anew_breaks_the_link_to_the_next(number):
    lines = CHAIN.to_dicts()
    lines[number]["price"] += 1.0
    lines[number]["row_hash"] = row_hash(lines[number], lines[number]["prev_hash"])
    (found,) = faults(lines)
    assert f"row {number + 2} " in found
    assert f"does not follow row {number + 1}" in found


@settings(deadline=None)
@given(number=NUMBERS, name=st.sampled_from(list(FORECAST.dtypes)))
def test_any_single_change_in_the_file_is_named(tmp_path_factory, number, name):
    lines = CHAIN.to_dicts()
    lines[number][name] = altered(lines[number][name])
    path = tmp_path_factory.mktemp("issued") / "forecasts.jsonl"
    path.write_text("".join(line(row) + "\n" for row in lines))
    assert any(f"line {number + 1}" in fault for fault in verify(CHAIN, path))


@settings(deadline=None)
@given(number=NUMBERS, change=st.sampled_from(["removed", "doubled", "garbled", "spaced", "late"]))
def test_any_line_removed_doubled_garbled_or_moved_is_named(tmp_path_factory, number, change):
    lines = [line(row) for row in CHAIN.iter_rows(named=True)]
    text = lines.pop(number)
    if change == "doubled":
        lines[number:number] = [text, text]
    if change == "garbled":
        lines.insert(number, text.replace('"sequence"', '"sequenz"'))
    if change == "spaced":
        lines.insert(number, text.replace('": ', '":  '))
    if change == "late":
        lines.append(text)
    path = tmp_path_factory.mktemp("issued") / "forecasts.jsonl"
    path.write_text("".join(each + "\n" for each in lines))
    found = verify(CHAIN, path)
    unmoved = change == "late" and number == CHAIN.height - 1
    place = f"line {number + 1} " if change in ("garbled", "spaced") else f"ow {number + 1} "
    newest = change == "removed" and number == CHAIN.height - 1
    if unmoved:
        assert found == []
    elif newest:
        assert "interrupted append" in found[0]
    else:
        assert any(place in fault or f"line {number + 1}," in fault for fault in found)


def test_row_in_the_file_that_the_database_lacks_is_named(copied):
    found = verify(CHAIN.head(CHAIN.height - 1), copied)
    assert len(found) == 1
    assert f"row {CHAIN.height} " in found[0]
    assert "which the database lacks" in found[0]


def test_file_that_is_merely_behind_is_told_from_damage(tmp_path):
    path = tmp_path / "forecasts.jsonl"
    extend(path, CHAIN.head(7).iter_rows(named=True))
    found = verify(CHAIN, path)
    assert len(found) == 1
    assert f"rows 8 to {CHAIN.height}" in found[0]
    assert "interrupted append" in found[0]


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(value=FLOATS, number=NUMBERS)
def test_a_line_reads_back_to_the_same_bits(value, number):
    row = {**CHAIN.row(number, named=True), "value": value}
    back = parse(line(row))
    assert back == row
    assert struct.pack(">d", back["value"]) == struct.pack(">d", value)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", '{"sequence": 1}', "not json", line(CHAIN.row(0, named=True))[:-1]],
)
def test_text_that_is_no_line_of_ours_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("sequence", "1"), ("sequence", True), ("price", 1), ("as_of", 3), ("target_session", "x")],
)
def test_line_with_a_value_of_another_type_is_refused(name, wrong):
    row = json.loads(line(CHAIN.row(0, named=True)))
    with pytest.raises(ValueError, match=r"."):
        parse(json.dumps({**row, name: wrong}))
