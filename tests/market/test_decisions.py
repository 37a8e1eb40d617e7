"""Decision instants are 23:00 on the wall clock of New York, through every change of that clock."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.market import decision_at

NEW_YORK = ZoneInfo("America/New_York")
MICROSECOND = timedelta(microseconds=1)


def decided(*instants: datetime) -> list[datetime]:
    column = pl.Series("at", instants, dtype=pl.Datetime("us", "UTC"))
    return column.to_frame().select(decision_at(pl.col("at"))).get_column("at").to_list()


@settings(deadline=None)
@given(st.datetimes(datetime(1980, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_it_is_the_first_night_at_or_after_the_release(released):
    [night] = decided(released)
    local = night.astimezone(NEW_YORK)
    before = datetime.combine(local.date() - timedelta(days=1), time(23), NEW_YORK)
    assert local.time() == time(23)
    assert before.astimezone(UTC) < released <= night


def test_a_release_on_the_stroke_is_decided_at_once_and_a_moment_later_waits_a_day():
    stroke = datetime(2018, 7, 3, 3, tzinfo=UTC)
    assert decided(stroke, stroke + MICROSECOND) == [stroke, stroke + timedelta(days=1)]


def test_the_nights_around_a_change_of_the_clock_are_23_and_25_hours_apart():
    march, november = datetime(2018, 3, 11, 4, tzinfo=UTC), datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert decided(march, march + MICROSECOND) == [march, march + timedelta(hours=23)]
    assert decided(november, november + MICROSECOND) == [november, november + timedelta(hours=25)]
