"""When its publisher changed a file dates what is new in it, where the contract says so."""

import json
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import polars as pl
import pytest

from tests.feed_servers.cftc_server import CftcServer, report_row
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import cftc_installation, eia_installation
from tests.ingest.mixed_home import Home, assert_same

#: Reports are of a Tuesday and public on its Friday, 15:30 in Washington.
OLD, NEW = date(2020, 5, 26), date(2020, 6, 2)
FIRST = datetime(2020, 6, 2, 3, tzinfo=UTC)
RULE = datetime(2020, 6, 5, 19, 30, tzinfo=UTC)
EVENING = RULE + timedelta(hours=3)
MARKET = "legacy", "067651"


class Stamped:
    """A service whose answers say when the file behind them was last changed."""

    changed = None

    def answer(self, asked):
        reply = super().answer(asked)
        if self.changed is not None:
            reply.headers = {**reply.headers, "Last-Modified": self.changed}
        return reply


class StampedCftc(Stamped, CftcServer):
    pass


class StampedEia(Stamped, EiaServer):
    pass


@pytest.fixture
def server():
    with StampedCftc() as running:
        for weeks in range(10):
            publish(running, OLD - timedelta(weeks=weeks), FIRST - timedelta(hours=1))
        publish(running, NEW, RULE)
        running.publisher.now = FIRST
        yield running


@pytest.fixture
def installed(tmp_path, server):
    one = cftc_installation(tmp_path / "home", server)
    one.night(FIRST)
    assert one.problem() == ""
    return one


def publish(server, report, at, interest=100_000):
    row = json.dumps(report_row("legacy", interest + report.toordinal() % 9_000))
    server.publisher.publish(at, MARKET, report, row)


def night(one, server, now, changed):
    server.changed = changed if isinstance(changed, str) else format_datetime(changed, usegmt=True)
    server.publisher.now = now
    one.night(now)
    assert one.problem() == ""


def dating(one, period, version=1):
    """Instants and beliefs of a report's values."""
    rows = one.table("raw.observation").filter(period=period, version=version)
    return set(rows.select("available_at", "available_basis").iter_rows())


def test_a_new_period_is_dated_by_the_hour_at_which_its_file_was_changed(installed, server):
    night(installed, server, EVENING, RULE + timedelta(minutes=41))
    assert dating(installed, NEW) == {(RULE + timedelta(minutes=41), "stamp")}


def test_a_report_that_is_days_late_is_dated_by_its_stamp_not_by_our_sight(installed, server):
    late = RULE + timedelta(days=4)
    night(installed, server, late + timedelta(hours=2), late)
    assert dating(installed, NEW) == {(late, "stamp")}


@pytest.mark.parametrize(
    "changed",
    [RULE - timedelta(minutes=1), EVENING + timedelta(minutes=1), "yesterday", ""],
    ids=["before the release rule", "later than now", "no date", "empty"],
)
def test_an_hour_that_cannot_be_dates_nothing(installed, server, changed):
    night(installed, server, EVENING, changed)
    assert dating(installed, NEW) == {(RULE, "calendar")}


def test_a_stamp_that_lies_before_a_decision_made_without_the_value_dates_nothing(
    installed, server
):
    saturday = EVENING + timedelta(hours=12)
    night(installed, server, saturday, RULE + timedelta(minutes=41))
    assert dating(installed, NEW) == {(saturday, "first_seen")}


def test_a_correction_is_known_since_it_was_seen_whatever_the_stamp(installed, server):
    publish(server, OLD, RULE, interest=200_000)
    night(installed, server, EVENING, RULE + timedelta(minutes=41))
    assert {basis for _, basis in dating(installed, OLD, version=2)} == {"first_seen"}
    assert {at for at, _ in dating(installed, OLD, version=2)} == {EVENING}


def test_a_period_older_than_what_is_held_is_dated_by_no_stamp(installed, server):
    missing = OLD - timedelta(weeks=10)
    publish(server, missing, RULE)
    night(installed, server, EVENING, RULE + timedelta(minutes=41))
    assert {basis for _, basis in dating(installed, missing)} <= {"first_seen"}


def test_a_first_load_only_assumes_whatever_the_stamp(tmp_path, server):
    one = cftc_installation(tmp_path / "home", server)
    night(one, server, EVENING, RULE + timedelta(minutes=41))
    assert set(one.table("raw.observation")["available_basis"]) == {"assumed"}


def test_a_contract_that_does_not_say_so_believes_no_stamp(tmp_path):
    days = [date(2020, 3, 2) + timedelta(days=offset) for offset in range(90)]
    with StampedEia() as server:
        for number, day in enumerate(day for day in days if day.weekday() < 5):
            server.publisher.publish(FIRST, "RWTC", day, f"{30 + number / 7:.2f}")
        server.publisher.publish(RULE, "RWTC", date(2020, 6, 1), "41.00")
        server.publisher.now = FIRST
        one = eia_installation(tmp_path / "home", server)
        one.night(FIRST)
        night(one, server, EVENING, EVENING - timedelta(minutes=5))
    rows = one.table("raw.observation").filter(pl.col("period") >= date(2020, 6, 1))
    assert set(rows["available_basis"]).isdisjoint({"stamp"})
    assert len(rows) == 1


def test_stamped_nights_are_rebuilt_as_they_were(installed, server):
    night(installed, server, EVENING, RULE + timedelta(minutes=41))
    home = Home(installed.home, {"cftc": installed.feed})
    before = home.content()
    assert home.rebuild().changed_from is None
    assert_same(before, home.content())


def test_nights_that_were_recorded_before_stamps_were_read_are_rebuilt_without(installed, server):
    night(installed, server, EVENING, RULE)
    assert dating(installed, NEW) == {(RULE, "stamp")}
    log = installed.ledger.log_file
    log.write_text(log.read_text().replace('"stamps"', '"unread"'))
    Home(installed.home, {"cftc": installed.feed}).rebuild()
    assert dating(installed, NEW) == {(RULE, "calendar")}
