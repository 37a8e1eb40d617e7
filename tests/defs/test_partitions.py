"""The days that forecasts are issued for."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cbi_pipeline.defs.partitions import desk_days
from cbi_pipeline.defs.pipeline import Pipeline
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
