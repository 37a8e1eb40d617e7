"""Which forecast the report of a day shows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from cbi_pipeline.defs.report.assets import issued_on, morning
from cbi_pipeline.issued.chain import chain
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from tests.issued.spoken import spoken, unchained

NEW_YORK = ZoneInfo("America/New_York")
TUESDAY = datetime(2026, 3, 10, tzinfo=NEW_YORK)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def at(hour: float, day: int = 0) -> datetime:
    return (TUESDAY + timedelta(days=day, hours=hour)).astimezone(UTC)


@pytest.fixture
def home(tmp_path):
    """A live home that spoke on Tuesday at two and at four."""
    settings = Settings(home=tmp_path / ".cbi", profile="live")
    said, warehouse = unchained(spoken(at(14))), Pipeline(settings).warehouse
    with warehouse.write() as store:
        store.append("issued.forecast", chain(said.vstack(unchained(spoken(at(16))))))
    warehouse.publish()
    return settings


@pytest.mark.parametrize(
    ("started", "shown"),
    [(at(15), at(14)), (at(17), at(16)), (at(7, day=1), at(16)), (at(7, day=9), at(16))],
)
def test_a_report_shows_what_was_last_said_for_its_day_when_it_began(home, started, shown):
    assert issued_on("2026-03-10", Pipeline(home, started)) == shown


def test_a_retry_shows_what_the_run_knew_that_it_retries(home):
    assert issued_on("2026-03-10", Pipeline(home, at(8, day=1), at(14.5))) == at(14)


def test_a_day_that_speaks_and_said_nothing_yet_is_told_what_to_launch(home):
    with pytest.raises(dg.Failure, match="launch issued/forecast of that day first"):
        issued_on("2026-03-11", Pipeline(home, at(9, day=1)))


def test_a_past_day_that_said_nothing_has_no_report(home):
    assert issued_on("2026-03-05", Pipeline(home, at(17))) is None


def test_the_page_of_a_past_day_stands_as_it_was_read(home):
    page = home.reports_dir / "morning-2026-03-10.html"
    page.parent.mkdir(parents=True)
    page.write_text("as it was read")
    result = dg.materialize(
        [morning],
        partition_key="2026-03-10",
        resources={"pipeline": Pipeline(home, at(9, day=5))},
        run_config=QUIET,
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success
    assert page.read_text() == "as it was read"
    assert list(home.reports_dir.iterdir()) == [page]
