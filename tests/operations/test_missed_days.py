"""A day for which no night issued is noted; a past day without rows says why it has none."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cbi_pipeline.issued.chain import chain
from cbi_pipeline.operations.missed_days import explain_days, missed_days
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from tests.issued.spoken import spoken, unchained

NEW_YORK = ZoneInfo("America/New_York")
FRIDAY = datetime(2026, 3, 6, 23, tzinfo=NEW_YORK)


@pytest.fixture
def settings(tmp_path) -> Settings:
    """A live home that spoke on Friday."""
    settings = Settings(_env_file=None, home=tmp_path / ".cbi", profile="live")
    warehouse = Pipeline(settings).warehouse
    with warehouse.write() as store:
        store.append("issued.forecast", chain(unchained(spoken(FRIDAY.astimezone(UTC)))))
    warehouse.publish()
    return settings


def on(settings: Settings, days: float, hour: float = 23.25) -> Pipeline:
    """The home at an hour of the desk some days after that Friday."""
    midnight = FRIDAY.replace(hour=0)
    return Pipeline(settings, midnight + timedelta(days=days, hours=hour))


def test_every_day_between_is_missed_in_words_for_every_commodity(settings):
    tuesday = on(settings, 4)
    rows = missed_days(tuesday, "2026-03-10")
    ends = [datetime(2026, 3, day, hour, tzinfo=UTC) for day, hour in ((8, 4), (9, 3), (10, 3))]
    assert sorted(set(rows["as_of"])) == ends
    assert set(rows["commodity"]) == {one.id for one in tuesday.catalogue.commodities}
    assert set(rows["kind"]) == {"missed"}
    sunday = rows.filter(as_of=ends[1])["reason"][0]
    assert sunday.startswith("missed, because no night issued for 2026-03-08")


@pytest.mark.parametrize("day", ["2026-03-06", "2026-03-07"])
def test_night_after_night_none_is_missed(settings, day):
    assert missed_days(on(settings, 1), day).is_empty()


def test_before_the_first_night_and_on_closed_records_none_is_missed(settings, tmp_path):
    fresh = Pipeline(Settings(_env_file=None, home=tmp_path / "fresh", profile="live"))
    fresh.warehouse.publish()
    assert missed_days(fresh, "2026-03-10").is_empty()
    closed = Pipeline(settings.model_copy(update={"profile": "archive"}))
    assert missed_days(closed, "2026-03-10").is_empty()


def test_a_missed_day_has_not_spoken(settings):
    tuesday = on(settings, 4)
    before = tuesday.newest_issue()
    tuesday.add({"issued.abstention": missed_days(tuesday, "2026-03-10")})
    assert tuesday.newest_issue() == before == FRIDAY


def test_a_past_day_says_what_it_holds_or_why_it_holds_nothing(settings):
    tuesday = on(settings, 4)
    tuesday.add({"issued.abstention": missed_days(tuesday, "2026-03-10")})
    said = explain_days(tuesday, ["2026-03-05", "2026-03-06", "2026-03-08"])
    assert said["2026-03-05"].startswith("no rows: there is no evidence")
    assert said["2026-03-06"].endswith(" live rows")
    assert said["2026-03-08"].startswith("missed, because no night issued for 2026-03-08")
