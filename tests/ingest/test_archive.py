"""The embedded records on a real ledger and warehouse: what a user may rely on."""

import gzip
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from cbi_pipeline import ingest
from cbi_pipeline.feeds import archive
from cbi_pipeline.feeds.errors import ArchiveChecksumMismatch, ArchiveFileMissing
from data_contracts.eia_spot import EIA_SPOT_DAILY
from data_contracts.families import FAMILIES
from tests.ingest.archive_copy import WTI, Pipe, edit, footprint
from tests.records import write

SPOT = "EIA.RWTC"
WEEKLY = "eia-petroleum-weekly.csv.gz"


def test_every_row_of_the_archive_is_recorded_and_the_state_names_the_content(pipe):
    txn = pipe.table("ledger.txn").row(0, named=True)
    assert txn["parsed"] == txn["accepted"] > 3000
    assert txn["quarantined"] == 0
    assert txn["state_before"] != txn["state_after"]
    assert pipe.value(SPOT, "2019-01-02") == 46.31


def test_the_same_bytes_twice_write_nothing(pipe):
    before = footprint(pipe.home)
    report = pipe.run()
    assert not report.changed
    assert footprint(pipe.home) == before


def test_a_value_changed_to_text_is_set_aside_with_rule_and_value_and_the_rest_goes_through(fresh):
    edit(fresh.archive_dir, WTI, "1/2/2019,46.31", "1/2/2019,cheap")
    report = fresh.run()
    row = fresh.table("quarantine.row").row(0, named=True)
    assert (row["rule"], row["value"], row["series_id"]) == ("value_readable", "cheap", SPOT)
    assert fresh.value(SPOT, "2019-01-02") is None
    assert (report.quarantined, report.accepted) == (1, report.parsed - 1)


def test_a_conflicting_duplicate_key_sets_both_rows_aside(fresh):
    edit(fresh.archive_dir, WTI, "1/2/2019,46.31\n", "1/2/2019,46.31\n1/2/2019,47.31\n")
    fresh.run()
    rows = fresh.table("quarantine.row")
    assert rows["rule"].to_list() == ["conflicting_duplicate"] * 2
    assert sorted(rows["value"]) == ["46.31", "47.31"]
    assert fresh.value(SPOT, "2019-01-02") is None


def test_an_exact_duplicate_is_counted_and_dropped(fresh):
    edit(fresh.archive_dir, WTI, "1/2/2019,46.31\n", "1/2/2019,46.31\n1/2/2019,46.31\n")
    assert fresh.run().duplicates == 1
    assert fresh.value(SPOT, "2019-01-02") == 46.31


def test_a_row_dated_in_the_future_is_set_aside(fresh):
    edit(fresh.archive_dir, WTI, "1/2/2019,46.31", "1/2/2030,46.31")
    fresh.run()
    row = fresh.table("quarantine.row").row(0, named=True)
    assert (row["rule"], row["value"]) == ("not_from_the_future", "2030-01-02")


def after_its_record(fresh: Pipe, series: str) -> list[tuple[str, str]]:
    rows = fresh.table("quarantine.row").filter(rule="within_the_record")
    return rows.filter(series_id=series).select("column_name", "value").rows()


@pytest.mark.slow
def test_a_row_re_dated_past_the_end_of_its_record_is_set_aside_and_the_rest_goes_through(fresh):
    edit(fresh.archive_dir, WTI, "6/15/2018,65.01", "12/31/2019,65.01")
    report = fresh.run()
    assert after_its_record(fresh, SPOT) == [("period", "2019-12-31")]
    assert (report.quarantined, report.accepted) == (1, report.parsed - 1)
    assert fresh.value(SPOT, "2019-12-31") is None
    assert fresh.value(SPOT, "2018-06-14") == 66.91


def test_a_row_added_after_the_end_of_its_record_is_no_price(fresh):
    edit(fresh.archive_dir, WTI, "1/3/2019,46.92\n", "1/3/2019,46.92\n1/14/2019,90.00\n")
    report = fresh.run()
    assert after_its_record(fresh, SPOT) == [("period", "2019-01-14")]
    assert report.newest["eia_spot_daily"] == date(2019, 1, 3)


@pytest.mark.parametrize(
    ("name", "line", "series", "period"),
    [
        (WTI, "1/2/1985,20.00", SPOT, "1985-01-02"),
        pytest.param(
            "eia-mer-2019-03-26.csv.gz",
            "CLTCBUS,201901,1.2,1,Coal Consumption,Quadrillion Btu,consumption",
            "EIA.MER.CLTCBUS",
            "2019-01-01",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_row_of_any_file_outside_its_record_is_set_aside(fresh, name, line, series, period):
    add(fresh, name, line)
    report = fresh.run()
    assert after_its_record(fresh, series) == [("period", period)]
    assert report.accepted == report.parsed - 1


def test_a_month_that_begins_after_its_issue_is_set_aside(fresh):
    line = "CLTCBUS,201811,1.2,1,Coal Consumption,Quadrillion Btu,consumption"
    add(fresh, "eia-mer-2017-06-28.csv.gz", line)
    report = fresh.run()
    row = fresh.table("quarantine.row").row(0, named=True)
    assert (row["rule"], row["value"]) == ("not_from_the_future", "2018-11-01")
    assert report.accepted == report.parsed - 1


def add(fresh: Pipe, name: str, line: str) -> None:
    text = gzip.decompress((fresh.archive_dir / name).read_bytes()).decode()
    write(fresh.archive_dir / name, f"{text}{line}\n")
    archive.seal(fresh.archive_dir)


@pytest.mark.parametrize(
    "where", [pytest.param("7/2/2018,73.89\n", marks=pytest.mark.slow), "1/3/2019,46.92\n"]
)
def test_a_line_out_of_its_place_is_set_aside_and_the_rest_goes_through(fresh, where):
    edit(fresh.archive_dir, WTI, "6/15/2018,65.01\n", "", seal=False)
    edit(fresh.archive_dir, WTI, where, f"{where}6/15/2018,65.01\n")
    report = fresh.run()
    row = fresh.table("quarantine.row").row(0, named=True)
    assert (row["rule"], row["value"]) == ("in_order", "2018-06-15")
    assert report.accepted == report.parsed - 1


def test_lines_out_of_place_together_block_the_whole_delivery(fresh):
    moved = "6/14/2018,66.91\n6/15/2018,65.01\n"
    edit(fresh.archive_dir, WTI, moved, "", seal=False)
    edit(fresh.archive_dir, WTI, "7/2/2018,73.89\n", "7/2/2018,73.89\n" + moved)
    with pytest.raises(ingest.TableRuleBroken, match=r"ascending_periods.*EIA\.RWTC"):
        fresh.run()


def test_too_many_refused_rows_block_the_whole_delivery(fresh):
    for day in range(2, 29):
        fresh_text = f"3/{day}/2018,"
        try:
            edit(fresh.archive_dir, WTI, fresh_text, f"{fresh_text}x", seal=False)
        except AssertionError:
            continue  # no session on that day
    edit(fresh.archive_dir, WTI, "1/2/2019,46.31", "1/2/2019,x")
    with pytest.raises(ingest.TableRuleBroken, match=r"quarantined_share.*EIA\.RWTC"):
        fresh.run()
    assert not (fresh.home / "warehouse" / "cbi.duckdb").exists()


def test_a_series_without_any_row_blocks_the_whole_delivery(fresh):
    whole = archive.source(fresh.archive_dir)
    part = replace(whole, pulls=lambda *asked: whole.pulls(*asked)[1:])
    landed = ingest.land_files(part, fresh.ledger, fresh.seen_at)
    with pytest.raises(ingest.TableRuleBroken, match=r"series_present.*EIA\.RWTC"):
        ingest.require_usable(ingest.judge(part, landed, fresh.ledger))


def test_a_deleted_file_stops_the_ingestion_and_is_named(fresh):
    (fresh.archive_dir / WTI).unlink()
    with pytest.raises(ArchiveFileMissing, match=WTI):
        fresh.run()


def test_a_flipped_byte_stops_the_ingestion_and_names_the_file(fresh):
    body = bytearray((fresh.archive_dir / WTI).read_bytes())
    body[len(body) // 2] ^= 1
    (fresh.archive_dir / WTI).write_bytes(bytes(body))
    with pytest.raises(ArchiveChecksumMismatch, match=WTI):
        fresh.run()


class Killed(BaseException):
    """Stands for a process that died: nothing may catch it."""


@pytest.mark.parametrize(
    "step",
    [
        "record",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("state", "append", "replace")),
    ],
)
def test_a_kill_between_landing_and_commit_leaves_nothing_and_a_rerun_gives_the_same(
    fresh, pipe, monkeypatch, step
):
    from cbi_pipeline.warehouse import Store

    with monkeypatch.context() as patch:

        def die(*args, **kwargs):
            raise Killed

        patch.setattr(Store, step, die)
        with pytest.raises(Killed):
            fresh.run()
    with fresh.warehouse.write() as store:
        assert store.table("raw.observation").is_empty()
    assert fresh.run().state == pipe.run().state
    assert fresh.table("raw.observation").equals(pipe.table("raw.observation"))


@pytest.mark.slow
def test_a_crash_after_the_commit_and_before_the_publication_is_healed_by_the_rerun(
    fresh, pipe, monkeypatch
):
    from cbi_pipeline.warehouse import Warehouse

    with monkeypatch.context() as patch:

        def die(self):
            raise Killed

        patch.setattr(Warehouse, "publish", die)
        with pytest.raises(Killed):
            fresh.run()
    fresh.run()
    assert fresh.table("raw.observation").equals(pipe.table("raw.observation"))


@pytest.mark.slow
def test_a_new_contract_version_screens_the_same_bytes_again(pipe, monkeypatch):
    stricter = replace(
        EIA_SPOT_DAILY, version="2.0.0", bounds={"USD/bbl": (-500.0, 77.0)}, release=None
    )
    monkeypatch.setitem(FAMILIES, "eia_spot_daily", stricter)
    monkeypatch.setattr("cbi_pipeline.ingest._validate.quarantined_share", _allow)
    before = pipe.table("raw.observation")
    report = pipe.run()
    rows = pipe.table("quarantine.row")
    assert report.changed
    assert set(rows["rule"]) == {"bounds"}
    assert set(rows["contract_version"]) == {"2.0.0"}
    assert all(float(value) > 77 for value in rows["value"])
    # What an older contract accepted stays recorded as it was known.
    assert pipe.table("raw.observation").equals(before)


def _allow(shares):
    from data_contracts.table_rules import RuleOutcome

    return RuleOutcome("quarantined_share", passed=True, detail="not judged here")


def test_a_weekly_period_that_is_not_there_blocks_the_delivery(fresh):
    text = gzip.decompress((fresh.archive_dir / WEEKLY).read_bytes()).decode()
    lines = [line for line in text.splitlines(keepends=True) if "2019-06-14" not in line]
    write(fresh.archive_dir / WEEKLY, "".join(lines))
    archive.seal(fresh.archive_dir)
    with pytest.raises(ingest.TableRuleBroken, match=r"period_spacing.*2019-06-21 is 14 days"):
        fresh.run()


def test_a_unit_that_changed_within_its_bounds_blocks_the_delivery(fresh):
    text = gzip.decompress((fresh.archive_dir / WTI).read_bytes()).decode()
    head, *rest = text.splitlines(keepends=True)
    rows = [line.rstrip("\n").split(",") for line in rest if "," in line]
    barrels = [(day, price) for day, price in rows if price.strip() not in ("", ".")]
    gallons = [f"{day},{float(price) / 42:.3f}\n" for day, price in barrels[-30:]]
    kept = [f"{day},{price}\n" for day, price in barrels[:-30]]
    write(fresh.archive_dir / WTI, head + "".join(kept + gallons))
    archive.seal(fresh.archive_dir)
    with pytest.raises(ingest.TableRuleBroken, match=r"scale_change.*EIA\.RWTC.*factor"):
        fresh.run()


@pytest.mark.slow
def test_rows_that_a_later_delivery_no_longer_contains_are_superseded_in_quarantine(fresh):
    edit(fresh.archive_dir, WTI, "1/2/2019,46.31", "1/2/2019,cheap")
    fresh.run()
    edit(fresh.archive_dir, WTI, "1/2/2019,cheap", "1/2/2019,46.31")
    report = fresh.run()
    assert fresh.table("quarantine.row")["fate"].to_list() == ["superseded"]
    assert fresh.value(SPOT, "2019-01-02") == 46.31
    assert report.changed


def test_a_value_that_a_complete_file_no_longer_has_becomes_a_withdrawal_seen_now(pipe):
    later = datetime(2020, 3, 1, tzinfo=UTC)
    pipe.seen_at = later
    edit(pipe.archive_dir, WTI, "1/2/2019,46.31\n", "")
    pipe.run()
    versions = pipe.table("raw.observation").filter(
        series_id=SPOT, period=datetime(2019, 1, 2).date()
    )
    assert versions["status"].to_list() == ["value", "withdrawn"]
    assert versions["available_at"][1] == later
