"""The days that forecasts are issued for, and what each of them knew."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from cbi_pipeline.defs.partitions import DAYS
from cbi_pipeline.issued import ABSTAINS, Status, abstentions
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from tests.warehouse.frames import parsed, reference

NEW_YORK = ZoneInfo("America/New_York")
CLOSED = datetime(2020, 2, 12, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "newest"),
    [
        (datetime(2026, 3, 9, 3, 59, tzinfo=UTC), "2026-03-08"),  # 23:59 on the desk, summer time
        (datetime(2026, 3, 9, 4, 1, tzinfo=UTC), "2026-03-09"),
        (datetime(2026, 12, 9, 4, 1, tzinfo=UTC), "2026-12-08"),  # 23:01 on the desk, winter time
    ],
)
def test_days_run_to_the_desks_own_today_in_every_profile(instant, newest):
    keys = DAYS.get_partition_keys(current_time=instant)
    assert (keys[0], keys[-1]) == ("2017-01-01", newest)


def live(home, started: datetime, first_started: datetime | None = None) -> Pipeline:
    pipeline = Pipeline(Settings(home=home / ".cbi", profile="live"), started, first_started)
    pipeline.warehouse.publish()
    return pipeline


@pytest.mark.parametrize(
    ("day", "closes"),
    [
        ("2026-07-01", datetime(2026, 7, 2, 3, tzinfo=UTC)),
        ("2026-01-07", datetime(2026, 1, 8, 4, tzinfo=UTC)),
    ],
)
def test_a_past_day_knew_everything_until_23_00_at_the_desk(tmp_path, day, closes):
    assert live(tmp_path, datetime(2026, 9, 1, tzinfo=UTC)).as_of(day) == closes


def test_today_knows_no_more_than_the_start_of_its_run(tmp_path):
    noon = datetime(2026, 3, 10, 12, tzinfo=NEW_YORK)
    assert live(tmp_path, noon).as_of("2026-03-10") == noon


def test_a_retry_knows_what_the_run_knew_that_it_retries(tmp_path):
    first = datetime(2026, 3, 10, 14, tzinfo=NEW_YORK)
    retry = live(tmp_path, first + timedelta(hours=5), first)
    assert retry.as_of("2026-03-10") == first
    assert retry.newest_as_of() == first


def test_a_retry_after_midnight_still_speaks_for_the_day_of_its_first_run(tmp_path):
    first = datetime(2026, 3, 10, 23, 15, tzinfo=NEW_YORK)
    retry = live(tmp_path, first + timedelta(hours=9), first)
    assert retry.is_newest("2026-03-10")
    assert retry.as_of("2026-03-10") == datetime(2026, 3, 10, 23, tzinfo=NEW_YORK)


def test_a_retry_two_days_late_speaks_no_more(tmp_path):
    first = datetime(2026, 3, 10, 23, 15, tzinfo=NEW_YORK)
    assert not live(tmp_path, first + timedelta(days=2), first).is_newest("2026-03-10")


@pytest.fixture
def morning_after(tmp_path):
    """The live profile at seven in the morning of 10 March 2026, at the desk."""
    return live(tmp_path, datetime(2026, 3, 10, 7, tzinfo=NEW_YORK))


def test_a_night_that_was_slept_through_is_made_up_for_in_the_morning(morning_after):
    days = ("2026-03-08", "2026-03-09", "2026-03-10")
    assert [morning_after.is_newest(day) for day in days] == [False, True, True]


def test_once_a_later_day_has_spoken_the_one_before_is_past(morning_after):
    silent = abstentions(
        [Status("wti", ABSTAINS, "no price is known")],
        track="live",
        as_of=morning_after.as_of("2026-03-10").astimezone(UTC),
    )
    morning_after.add({"issued.abstention": silent})
    days = ("2026-03-09", "2026-03-10")
    assert [morning_after.is_newest(day) for day in days] == [False, True]


def closed(home, *available: datetime, started: datetime | None = None) -> Pipeline:
    """An archive home that holds one observation per instant given."""
    pipeline = Pipeline(Settings(home=home / ".cbi", profile="archive"), started)
    with pipeline.warehouse.write() as store:
        store.replace("ref.series", reference("S.A"))
        for number, at in enumerate(available):
            store.record(parsed({number: 1.0}, available=at), seen_at=at, txn_id=number + 1)
    pipeline.warehouse.publish()
    return pipeline


def test_closed_records_know_up_to_the_newest_public_instant_held(tmp_path):
    pipeline = closed(tmp_path, CLOSED - timedelta(days=9), CLOSED)
    assert pipeline.newest_as_of() == CLOSED
    assert pipeline.as_of(pipeline.today().isoformat()) == CLOSED
    assert pipeline.as_of("2020-02-12") == CLOSED


def test_a_past_day_of_closed_records_ends_at_23_00_at_the_desk(tmp_path):
    assert closed(tmp_path, CLOSED).as_of("2019-07-01") == datetime(2019, 7, 2, 3, tzinfo=UTC)


def test_every_day_speaks_that_knows_all_there_is_of_closed_records(tmp_path):
    pipeline = closed(tmp_path, CLOSED)
    days = ("2020-02-11", "2020-02-12", "2026-01-05", pipeline.today().isoformat())
    assert [pipeline.is_newest(day) for day in days] == [False, True, True, True]


@pytest.mark.parametrize("hour", [9, 23])
def test_an_own_import_moves_what_is_known_at_any_hour(tmp_path, hour):
    imported = datetime(2026, 3, 10, hour, 30, tzinfo=NEW_YORK)
    pipeline = closed(tmp_path, CLOSED, imported, started=imported + timedelta(minutes=5))
    assert pipeline.as_of("2026-03-10") == imported
    assert not pipeline.is_newest("2020-02-12")


def test_what_is_imported_after_a_run_began_is_not_known_to_its_retries(tmp_path):
    first = datetime(2026, 3, 10, 9, tzinfo=NEW_YORK)
    imported = first + timedelta(minutes=5)
    retry = Pipeline(
        closed(tmp_path, CLOSED, imported).settings, imported + timedelta(minutes=5), first
    )
    assert retry.as_of("2026-03-10") == CLOSED


def test_a_home_that_holds_nothing_knows_up_to_the_start(tmp_path):
    noon = datetime(2026, 3, 10, 12, tzinfo=NEW_YORK)
    pipeline = Pipeline(Settings(home=tmp_path / ".cbi", profile="archive"), noon)
    assert pipeline.as_of("2026-03-10") == noon


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_the_zone_of_the_machine_changes_nothing(tmp_path, monkeypatch, zone):
    import time

    evening = datetime(2026, 3, 10, 20, tzinfo=NEW_YORK)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        pipeline = live(tmp_path, evening)
        assert pipeline.today().isoformat() == "2026-03-10"
        assert pipeline.as_of("2026-03-10") == evening
        with pipeline.warehouse.read() as store:
            now = store.query("SELECT ?::TIMESTAMPTZ AS now", [evening])["now"]
        assert now.to_list() == [evening]
        assert now.dtype == pl.Datetime("us", "UTC")
    finally:
        monkeypatch.undo()
        time.tzset()
