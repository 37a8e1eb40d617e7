"""A clock that is wrong dates nothing: the services' hour tells, or the ledger does."""

from datetime import UTC, date, datetime, timedelta

import pytest

from cbi_pipeline import ingest
from cbi_pipeline.feeds import ClockInDoubt
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import eia_installation
from tests.feed_servers.server import FeedServer

FIRST = datetime(2020, 6, 4, 3, tzinfo=UTC)
NEW_DAY = date(2020, 6, 1)
NO_HOUR = FeedServer.NO_HOUR


@pytest.fixture
def server():
    with EiaServer() as running:
        for offset in range(40):
            day = date(2020, 4, 20) + timedelta(days=offset)
            if day.weekday() < 5:
                running.publisher.publish(FIRST, "RWTC", day, f"{30 + offset / 7:.2f}")
        running.publisher.publish(FIRST + timedelta(hours=1), "RWTC", NEW_DAY, "35.44")
        running.publisher.now = FIRST
        yield running


@pytest.fixture
def installed(tmp_path, server):
    one = eia_installation(tmp_path / "home", server)
    one.night(FIRST)
    assert one.problem() == ""
    server.publisher.now = FIRST + timedelta(days=1)
    return one


@pytest.mark.parametrize(
    "off", [timedelta(minutes=11), -timedelta(minutes=11), timedelta(days=400)]
)
def test_a_night_whose_clock_is_not_the_services_waits_in_words(installed, off):
    now = FIRST + timedelta(days=1)
    installed.night(now + off, hour=now)
    assert NEW_DAY not in installed.values()
    assert installed.errors() == {"ClockInDoubt"}
    assert "answers are of 2020-06-05 03:00 UTC, and this machine's clock" in installed.problem()
    installed.night(now)
    assert installed.values()[NEW_DAY] == 35.44
    assert installed.problem() == ""


@pytest.mark.parametrize("off", [timedelta(minutes=9), -timedelta(minutes=9)])
def test_a_few_minutes_are_no_matter(installed, off):
    installed.night(FIRST + timedelta(days=1) + off, hour=FIRST + timedelta(days=1))
    assert installed.values()[NEW_DAY] == 35.44


def test_a_copy_that_was_kept_on_the_way_tells_the_hour_by_its_age(installed, server, monkeypatch):
    answer, now = server.answer, FIRST + timedelta(days=1)

    def kept(asked):
        reply = answer(asked)
        reply.headers["Age"] = "3600"
        return reply

    monkeypatch.setattr(server, "answer", kept)
    installed.night(now, hour=now - timedelta(hours=1))
    assert installed.problem() == ""
    assert installed.values()[NEW_DAY] == 35.44


def test_a_first_night_is_told_by_the_services_too(tmp_path, server):
    one = eia_installation(tmp_path / "home", server)
    one.night(FIRST + timedelta(days=3650), hour=FIRST)
    assert one.errors() == {"ClockInDoubt"}
    assert not one.ledger.entries()


def test_a_service_that_gives_no_hour_is_believed_within_two_days(installed):
    installed.night(FIRST + timedelta(days=2), hour=NO_HOUR)
    assert installed.values()[NEW_DAY] == 35.44


@pytest.mark.parametrize(
    ("off", "words"),
    [(timedelta(days=2, minutes=1), "more than 2 days after"), (-timedelta(days=1), "before")],
    ids=["ahead", "behind"],
)
def test_without_an_hour_a_clock_that_contradicts_the_ledger_waits_until_it_is_accepted(
    installed, off, words
):
    installed.night(FIRST + off, hour=NO_HOUR)
    assert NEW_DAY not in installed.values()
    assert words in installed.problem()
    assert "cbi ledger accept-clock" in installed.problem()
    ingest.accept_clock(installed.ledger, FIRST + off, "the machine was away")
    installed.night(FIRST + off, hour=NO_HOUR)
    assert installed.values()[NEW_DAY] == 35.44
    assert ingest.verify_ledger(installed.ledger) == []


def test_an_acceptance_says_nothing_of_a_later_doubt(installed):
    ingest.accept_clock(installed.ledger, FIRST, "checked")
    installed.night(FIRST + timedelta(days=9), hour=NO_HOUR)
    assert installed.errors() == {"ClockInDoubt"}


def test_files_are_refused_while_the_clock_is_behind_the_ledger(installed):
    with pytest.raises(ClockInDoubt, match=r"shows 2020-06-03.*before.*2020-06-04 03:00"):
        ingest.require_clock(installed.ledger, "csv", FIRST - timedelta(days=1))
    ingest.require_clock(installed.ledger, "csv", FIRST + timedelta(days=900))


def test_a_clock_is_accepted_for_a_reason(installed):
    with pytest.raises(ValueError, match="--reason"):
        ingest.accept_clock(installed.ledger, FIRST, "  ")


def test_a_damaged_acceptance_is_named(installed):
    ingest.accept_clock(installed.ledger, FIRST, "checked")
    text = installed.ledger.clock_file.read_text()
    installed.ledger.clock_file.write_text(text.replace("2020", "this"))
    (fault,) = ingest.verify_ledger(installed.ledger)
    assert "clock.jsonl, line 1" in fault
