"""What was lost or changed in a ledger, or in the warehouse beside it, is named with its place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.ingest import verify_ledger, verify_warehouse
from cbi_pipeline.ledger import Ledger, LedgerDamaged
from cbi_pipeline.warehouse import Warehouse
from tests.ingest.own_home import Home
from tests.ingest.test_level import killed_at

FILES = ("manifest.jsonl", "transactions.jsonl")
FAULTS = ("opened", "changed", "closed")


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Home:
    made = Home(tmp_path_factory.mktemp("filled") / "home")
    for number, name in enumerate("ABC"):
        made.bring(name, 1.0 + number)
    log = made.root / "ledger" / "faults.jsonl"
    for kind in FAULTS:
        event = {"at": "2020-01-02T03:00:00+00:00", "feed": "eia", "kind": kind, "faults": []}
        log.write_text((log.read_text() if log.exists() else "") + json.dumps(event) + "\n")
    return made


@pytest.fixture
def home(filled, tmp_path) -> Home:
    return Home(shutil.copytree(filled.root, tmp_path / "home", symlinks=True))


def verify(home: Home) -> list[str]:
    ledger = Ledger(home.settings.ledger_dir)
    with Warehouse(home.settings.warehouse_dir).write() as store:
        return [*verify_ledger(ledger), *verify_warehouse(ledger, store)]


def edit(home: Home, name: str, change: Callable[[list[bytes]], list[bytes]]) -> Path:
    path = home.root / "ledger" / name
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    return path


def put(number: int, line: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [*lines[: number - 1], line, *lines[number:]]


def cut(number: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: put(number, lines[number - 1][: len(lines[number - 1]) // 2])(lines)


def test_a_home_as_it_was_written_is_sound(home):
    assert verify(home) == []


@pytest.mark.parametrize("name", [*FILES, "faults.jsonl"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("line", [b"no document\n", b"\n", b"\xff\xfe\n", b"[1]\n", b'{"a": 1}\n'])
def test_a_line_that_does_not_say_what_it_should_is_named(home, name, number, line):
    path = edit(home, name, put(number, line))
    assert any(fault.startswith(f"{path}, line {number} is damaged") for fault in verify(home))


@pytest.mark.parametrize("name", [*FILES, "faults.jsonl"])
def test_a_last_line_that_is_cut_off_is_named(home, name):
    path = edit(home, name, cut(3))
    assert any(fault.startswith(f"{path}, line 3 is cut off") for fault in verify(home))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("number", [1, 2])
def test_a_cut_line_among_others_is_named(home, name, number):
    path = edit(home, name, cut(number))
    assert any(fault.startswith(f"{path}, line {number} is damaged") for fault in verify(home))


@pytest.mark.parametrize("name", [*FILES, "faults.jsonl"])
def test_a_last_line_that_lacks_nothing_but_its_end_is_named_with_what_to_do(home, name):
    path = edit(home, name, lambda lines: [*lines[:-1], lines[-1].rstrip(b"\n")])
    (fault,) = [fault for fault in verify(home) if "line break" in fault]
    assert fault.startswith(f"{path}, line 3 is whole")
    assert f"echo >> {path}" in fault
    with path.open("a") as file:
        file.write("\n")
    assert verify(home) == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [slice(0), slice(2), slice(1, None), slice(0, None, 2)])
def test_lines_that_are_gone_are_missed(home, name, kept):
    path = edit(home, name, lambda lines: lines[kept])
    assert any(str(path) in fault for fault in verify(home))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [slice(0), slice(2), slice(1, None), slice(0, None, 2)])
def test_they_are_missed_in_a_home_of_an_earlier_version_too(home, name, kept):
    (home.root / "ledger" / "committed.json").unlink()
    path = edit(home, name, lambda lines: lines[kept])
    assert any(str(path) in fault for fault in verify(home))


def test_an_entry_whose_response_is_not_in_the_manifest_is_named_by_its_line(home):
    manifest = edit(home, "manifest.jsonl", lambda lines: [lines[0], lines[2]])
    log = home.root / "ledger" / "transactions.jsonl"
    faults = [fault for fault in verify(home) if fault.startswith(f"{log}, line 2: transaction 2")]
    assert str(manifest) in faults[0]


def test_bytes_whose_line_is_gone_from_the_manifest_are_named(home):
    ledger = Ledger(home.settings.ledger_dir)
    at = ledger.responses()[0].fetched_at
    unused = ledger.land(feed="eia", url="https://x", body=b"unused", fetched_at=at)
    assert verify(home) == []
    edit(home, "manifest.jsonl", lambda lines: lines[:-1])
    assert any(unused.sha256 in fault for fault in verify(home))


def test_a_response_that_a_fault_speaks_of_is_missed(home):
    fault = {"feed": "eia", "scope": "*", "error": "E", "problem": "p", "remedy": "r"}
    event = {"at": "2020-01-02T03:00:00+00:00", "feed": "eia", "kind": "opened"}
    line = json.dumps({**event, "faults": [{**fault, "response_ids": ["gone"]}]}) + "\n"
    path = edit(home, "faults.jsonl", put(2, line.encode()))
    assert any(fault.startswith(f"{path}, line 2: response gone") for fault in verify(home))


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_bytes_that_are_not_as_stored_are_named(home, harm):
    ledger = Ledger(home.settings.ledger_dir)
    blob = home.root / "ledger" / ledger.responses()[1].blob
    blob.unlink() if harm == "missing" else blob.write_bytes(b"other")
    assert [str(blob) in fault for fault in verify(home)] == [True]


def test_numbers_that_skip_one_are_named_by_their_line(home):
    log = edit(home, "transactions.jsonl", lambda lines: [lines[0], lines[2]])
    assert any(fault.startswith(f"{log}, line 2 is transaction 3") for fault in verify(home))


def test_numbers_that_go_back_are_named_by_their_line(home):
    log = edit(home, "transactions.jsonl", lambda lines: [*lines, lines[0]])
    assert any(fault.startswith(f"{log}, line 4 goes back") for fault in verify(home))


def test_a_changed_instant_of_an_entry_is_named_by_its_line(home):
    def later(lines: list[bytes]) -> list[bytes]:
        entry = json.loads(lines[1]) | {"seen_at": "2019-01-01T00:00:00+00:00"}
        return put(2, json.dumps(entry, sort_keys=True).encode() + b"\n")(lines)

    log = edit(home, "transactions.jsonl", later)
    assert any(fault.startswith(f"{log}, line 2 is transaction 2") for fault in verify(home))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("DELETE FROM ledger.txn WHERE txn_id > 1", "line 3: transaction 3"),
        ("DELETE FROM ledger.txn WHERE txn_id = 1", "line 1: transaction 1"),
        ("UPDATE ledger.txn SET feed = 'eia' WHERE txn_id = 2", "line 2 is transaction 2"),
        ("UPDATE raw.observation SET value = 99.99 WHERE series_id = 'DESK.B'", "DESK.B in 2020"),
        ("DELETE FROM raw.observation WHERE series_id = 'DESK.B'", "DESK.B in 2020"),
        ("UPDATE ref.series SET unit = 'USD/bbl' WHERE series_id = 'DESK.B'", "the state"),
        ("UPDATE ledger.response SET url = 'x' WHERE feed = 'csv:DESK.B'", "manifest.jsonl, line"),
    ],
)
def test_a_warehouse_that_holds_something_else_is_named(home, change, words):
    with duckdb.connect(str(home.root / "warehouse" / "cbi.duckdb")) as database:
        database.execute(change)
    assert any(words in fault for fault in verify(home)), verify(home)


def test_a_warehouse_with_more_than_the_log_is_named(home):
    edit(home, "transactions.jsonl", lambda lines: lines[:2])
    assert any("the warehouse holds transaction 3" in fault for fault in verify(home))


def test_what_a_kill_leaves_is_sound(home, monkeypatch):
    killed_at(monkeypatch, Ledger, "log", after=True, act=lambda: home.bring("D", 5.0))
    assert verify(home) == []
    home.bring("E", 5.0)
    assert verify(home) == []


def test_bytes_that_a_kill_left_without_a_line_are_sound(home, monkeypatch):
    killed_at(monkeypatch, Ledger, "_append", after=False, act=lambda: home.bring("D", 5.0))
    assert verify(home) == []


def test_bytes_whose_line_a_kill_left_are_read(home, monkeypatch):
    killed_at(monkeypatch, Ledger, "_append", after=True, act=lambda: home.bring("D", 5.0))
    assert verify(home) == []
    home.bring("D", 5.0)
    assert "DESK.D" in home.series()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_damaged_line_stops_a_rebuild_and_is_named(home, name, number):
    path = edit(home, name, put(number, b'{"cut": tru\n'))
    with pytest.raises(LedgerDamaged, match=rf"{path}, line {number} is damaged.*copy"):
        home.rebuild()


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_last_line_stops_an_import_and_is_named(home, name):
    path = edit(home, name, put(3, b'{"cut": tru\n'))
    with pytest.raises(LedgerDamaged, match=rf"{path}.* line 3.*copy"):
        home.bring("D", 5.0)


@pytest.mark.parametrize("name", FILES)
def test_a_line_without_its_end_stops_a_rebuild_and_an_import_and_is_named(home, name):
    path = edit(home, name, lambda lines: [*lines[:-1], lines[-1].rstrip(b"\n")])
    for act in (home.rebuild, lambda: home.bring("D", 5.0)):
        with pytest.raises(LedgerDamaged, match=rf"{path}, line 3 is whole.*echo"):
            act()


@settings(max_examples=60)
@given(data=st.data())
def test_any_changed_byte_is_noticed(filled, data):
    name = data.draw(st.sampled_from(FILES))
    path = filled.root / "ledger" / name
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    flip = data.draw(st.integers(1, 255))
    try:
        path.write_bytes(content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :])
        assert any(str(path) in fault for fault in verify_ledger(Ledger(path.parent)))
    finally:
        path.write_bytes(content)
