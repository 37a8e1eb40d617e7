"""The issued ledger over a real warehouse: appending, repeating, crashing, contradicting."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from cbi_pipeline.issued import ABSTAINS, IssuedLedger, Status, abstentions, read_origins
from cbi_pipeline.issued.ledger import LedgerBroken
from cbi_pipeline.warehouse import Warehouse
from tests.issued.spoken import MONDAY, nights, spoken, unchained

FIRST, SECOND, THIRD = nights(3)


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse(tmp_path / "warehouse")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "issued"


def issue(warehouse, folder, *batches):
    with warehouse.write() as store:
        return [IssuedLedger(store, folder).append(batch) for batch in batches]


def recorded(warehouse):
    with warehouse.write() as store:
        return store.table("issued.forecast").sort("sequence")


def faults(warehouse, folder):
    with warehouse.write() as store:
        return IssuedLedger(store, folder).verify()


def undisturbed(tmp_path, *batches):
    """What the file holds when nothing goes wrong."""
    issue(Warehouse(tmp_path / "calm"), tmp_path / "calm_issued", *batches)
    return (tmp_path / "calm_issued" / "forecasts.jsonl").read_bytes()


def test_database_and_file_hold_the_same_rows(warehouse, folder):
    assert issue(warehouse, folder, FIRST, SECOND) == [FIRST.height, SECOND.height]
    lines = (folder / "forecasts.jsonl").read_text().splitlines()
    assert [json.loads(line)["row_hash"] for line in lines] == recorded(warehouse)[
        "row_hash"
    ].to_list()
    assert faults(warehouse, folder) == []


def test_issuing_the_same_again_writes_nothing(warehouse, folder):
    issue(warehouse, folder, FIRST)
    snapshot, file = warehouse.publish(), folder / "forecasts.jsonl"
    before = file.stat().st_mtime_ns
    assert issue(warehouse, folder, FIRST) == [0]
    assert warehouse.publish() == snapshot
    assert file.stat().st_mtime_ns == before


def test_the_origins_of_a_ledger_say_what_is_carried_as_its_rows_do(warehouse, folder):
    issue(warehouse, folder, FIRST, SECOND)
    rows = recorded(warehouse)
    with warehouse.write() as store:
        origins = read_origins(store)
    assert len(origins) < len(rows)
    origin = rows["origin_session"].max()
    for fresh in (spoken(MONDAY + timedelta(days=9), origin=origin), spoken(MONDAY)):
        assert unchained(fresh, origins).equals(unchained(fresh, rows))
    assert unchained(spoken(MONDAY + timedelta(days=9), origin=origin), origins)["carried"].any()


def test_what_was_said_stays_when_another_figure_is_offered_for_it(warehouse, folder):
    issue(warehouse, folder, FIRST)
    other = unchained(spoken(MONDAY, price=99.0))
    assert issue(warehouse, folder, other) == [0]
    assert set(recorded(warehouse)["origin_price"]) == {50.0}


def test_only_the_new_part_of_a_batch_is_written(warehouse, folder):
    issue(warehouse, folder, FIRST)
    assert issue(warehouse, folder, pl.concat([FIRST, SECOND])) == [SECOND.height]
    assert faults(warehouse, folder) == []


def test_abstention_is_written_once(warehouse, folder):
    given = [Status("wti", ABSTAINS, "too old"), Status("gasoline_mn")]
    silent = abstentions(given, track="live", as_of=MONDAY)
    with warehouse.write() as store:
        ledger = IssuedLedger(store, folder)
        assert ledger.append(FIRST.clear(), silent) == 0
        assert ledger.append(FIRST.clear(), silent) == 0
        rows = store.table("issued.abstention")
    assert rows.select("commodity", "reason").rows() == [("wti", "too old")]


def test_folder_and_file_are_private(warehouse, folder):
    issue(warehouse, folder, FIRST)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "forecasts.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "kept", [0.4, *(pytest.param(k, marks=pytest.mark.slow) for k in (0, 1, 300, 777, 0.7, -2, -1))]
)
def test_append_after_a_crash_that_cut_the_file_completes_it(warehouse, folder, tmp_path, kept):
    issue(warehouse, folder, FIRST, SECOND)
    file = folder / "forecasts.jsonl"
    whole = file.read_bytes()
    cut = int(kept * len(whole)) if isinstance(kept, float) else kept
    file.write_bytes(whole[:cut])
    assert all("interrupted append" in fault for fault in faults(warehouse, folder))
    issue(warehouse, folder, THIRD)
    assert file.read_bytes() == undisturbed(tmp_path, FIRST, SECOND, THIRD)
    assert faults(warehouse, folder) == []


def test_part_of_a_line_after_the_newest_one_is_dropped(warehouse, folder):
    issue(warehouse, folder, FIRST)
    file = folder / "forecasts.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:-1].rpartition(b"\n")[2] * 3)
    issue(warehouse, folder, FIRST)
    assert file.read_bytes() == whole


def test_append_after_the_file_was_lost_writes_it_again(warehouse, folder, tmp_path):
    issue(warehouse, folder, FIRST)
    (folder / "forecasts.jsonl").unlink()
    issue(warehouse, folder, SECOND)
    assert (folder / "forecasts.jsonl").read_bytes() == undisturbed(tmp_path, FIRST, SECOND)


def test_a_warehouse_made_anew_gets_its_rows_back_from_the_file(warehouse, folder, tmp_path):
    issue(warehouse, folder, FIRST, SECOND)
    before = recorded(warehouse)
    fresh = Warehouse(tmp_path / "fresh")
    assert any("the database lacks" in fault for fault in faults(fresh, folder))
    assert issue(fresh, folder, SECOND) == [0]
    assert recorded(fresh).equals(before)
    assert faults(fresh, folder) == []


def test_an_older_warehouse_is_completed_from_the_file(warehouse, folder, tmp_path):
    issue(warehouse, folder, FIRST)
    older = Warehouse(tmp_path / "older")
    issue(older, tmp_path / "elsewhere", FIRST)
    issue(warehouse, folder, SECOND)
    assert issue(older, folder, THIRD) == [THIRD.height]
    assert faults(older, folder) == []
    assert recorded(older).height == FIRST.height + SECOND.height + THIRD.height


def test_copies_that_contradict_each_other_are_refused_and_left_alone(warehouse, folder, tmp_path):
    issue(warehouse, folder, FIRST)
    other = Warehouse(tmp_path / "other")
    issue(other, tmp_path / "other_issued", unchained(spoken(MONDAY, price=51.0)))
    file = folder / "forecasts.jsonl"
    before = file.read_bytes()
    with pytest.raises(LedgerBroken, match="differ at row"):
        issue(other, folder, SECOND)
    assert file.read_bytes() == before
    assert recorded(other).height == FIRST.height


def test_damaged_file_is_never_taken_into_the_database(warehouse, folder, tmp_path):
    issue(warehouse, folder, FIRST)
    file = folder / "forecasts.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace('"origin_price": 50.0', '"origin_price": 51.0')
    file.write_text("".join(lines))
    fresh = Warehouse(tmp_path / "fresh")
    with pytest.raises(LedgerBroken, match="row 4"):
        issue(fresh, folder, SECOND)
    assert recorded(fresh).is_empty()


def test_unreadable_newest_line_is_refused(warehouse, folder):
    issue(warehouse, folder, FIRST)
    with (folder / "forecasts.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(LedgerBroken, match="cannot be read"):
        issue(warehouse, folder, SECOND)


NIGHTLY = """
import sys
from pathlib import Path
from cbi_pipeline.issued import IssuedLedger
from cbi_pipeline.warehouse import Warehouse
from tests.issued.spoken import nights
home = Path(sys.argv[1])
for night in nights(200):
    with Warehouse(home / "warehouse").write() as store:
        IssuedLedger(store, home / "issued").append(night)
    print("issued", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay_ms", [0, 3, 7, 12, 18, 25, 33, 42])
def test_kill_at_any_moment_loses_no_row_and_forks_nothing(tmp_path, delay_ms):
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", NIGHTLY, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
    )
    assert child.stdout.readline() + child.stdout.readline() == b"issued\nissued\n"
    time.sleep(delay_ms / 1000)
    child.send_signal(signal.SIGKILL)
    child.wait()
    warehouse, folder = Warehouse(tmp_path / "warehouse"), tmp_path / "issued"
    kept = recorded(warehouse).height
    assert kept >= FIRST.height + SECOND.height
    assert kept % FIRST.height == 0
    assert all("interrupted append" in fault for fault in faults(warehouse, folder))
    issue(warehouse, folder, unchained(spoken(MONDAY + timedelta(days=999))))
    assert faults(warehouse, folder) == []


def test_a_last_line_that_cannot_be_read_is_named_with_what_to_do(warehouse, folder):
    issue(warehouse, folder, FIRST)
    path = folder / "forecasts.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]) + "{no row}\n")
    with pytest.raises(LedgerBroken, match=rf"{path}, line {FIRST.height} cannot.*move it away"):
        issue(warehouse, folder, SECOND)
    path.rename(path.with_suffix(".damaged"))
    issue(warehouse, folder, SECOND)
    assert faults(warehouse, folder) == []


def test_a_row_that_lost_only_its_line_break_comes_back_into_a_database_made_anew(
    warehouse, folder, tmp_path
):
    issue(warehouse, folder, FIRST)
    path = folder / "forecasts.jsonl"
    path.write_text(path.read_text().rstrip("\n"))
    with Warehouse(tmp_path / "anew").write() as store:
        IssuedLedger(store, folder).repair()
        assert store.table("issued.forecast").equals(recorded(warehouse).sort("sequence"))
