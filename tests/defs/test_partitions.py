"""The days that forecasts are issued for."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cbi_pipeline.defs.partitions import desk_days
from cbi_pipeline.defs.pipeline import Pipeline
from cbi_pipeline.issued import abstentions
from cbi_pipeline.settings import Settings


def test_the_days_of_a_closed_record_end_with_its_clock():
    pipeline = Pipeline(Settings(profile="archive"))
    keys = desk_days(pipeline).get_partition_keys()
    assert keys[0] == "2017-01-01"
    assert keys[-1] == "2020-02-12" == pipeline.today().isoformat()


@pytest.mark.parametrize(
    ("instant", "newest"),
    [
        (datetime(2026, 3, 9, 3, 59, tzinfo=UTC), "2026-03-08"),  # 23:59 on the desk, summer time
        (datetime(2026, 3, 9, 4, 1, tzinfo=UTC), "2026-03-09"),
        (datetime(2026, 12, 9, 4, 1, tzinfo=UTC), "2026-12-08"),  # 23:01 on the desk, winter time
    ],
)
def test_live_days_run_to_the_desks_own_today(instant, newest):
    days = desk_days(Pipeline(Settings(profile="live")))
    assert days.get_partition_keys(current_time=instant)[-1] == newest


def test_a_past_day_knew_everything_until_23_00_at_the_desk():
    pipeline = Pipeline(Settings(profile="archive"))
    new_york = ZoneInfo("America/New_York")
    assert pipeline.as_of("2019-07-01") == datetime(2019, 7, 1, 23, tzinfo=new_york)
    assert pipeline.as_of("2019-07-01") == datetime(2019, 7, 2, 3, tzinfo=UTC)
    assert pipeline.as_of("2019-12-01") == datetime(2019, 12, 2, 4, tzinfo=UTC)


def test_the_newest_day_knows_no_more_than_the_clock():
    pipeline = Pipeline(Settings(profile="archive"))
    assert pipeline.as_of("2020-02-12") == pipeline.now()


@pytest.fixture
def morning_after(tmp_path):
    """The live profile at seven in the morning of 10 March 2026, at the desk."""
    settings = Settings(home=tmp_path / ".cbi", profile="live")
    pipeline = Pipeline(settings, datetime(2026, 3, 10, 7, tzinfo=ZoneInfo("America/New_York")))
    pipeline.warehouse.publish()
    return pipeline


def test_a_night_that_was_slept_through_is_made_up_for_in_the_morning(morning_after):
    days = ("2026-03-08", "2026-03-09", "2026-03-10")
    assert [morning_after.is_newest(day) for day in days] == [False, True, True]


def test_once_a_later_day_has_spoken_the_one_before_is_past(morning_after):
    silent = abstentions(
        {"wti": "no price is known"},
        track="live",
        as_of=morning_after.as_of("2026-03-10").astimezone(UTC),
    )
    morning_after.add({"issued.abstention": silent})
    days = ("2026-03-09", "2026-03-10")
    assert [morning_after.is_newest(day) for day in days] == [False, True]


def test_the_record_of_a_closed_past_is_never_made_up_for(tmp_path):
    pipeline = Pipeline(Settings(home=tmp_path / ".cbi", profile="archive"))
    assert not pipeline.is_newest("2020-02-11")
