"""A clock that is wrong dates nothing: the services' hour tells, or the ledger does."""

from datetime import UTC, date, datetime, timedelta

import pytest

from cbi_pipeline import ingest
from cbi_pipeline.feeds import ClockInDoubt
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import eia_installation
from tests.feed_servers.server import FeedServer
from tests.ingest.mixed_home import Home, assert_same

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


WRONG = FIRST + timedelta(days=400)
RIGHT = FIRST + timedelta(days=1)


@pytest.fixture
def misdated(tmp_path, server):
    """A home whose second night was written by a clock far ahead, which nobody questioned then."""
    one = eia_installation(tmp_path / "home", server)
    one.night(FIRST)
    server.publisher.publish(FIRST, "RWTC", date(2020, 5, 27), "31.00")
    server.publisher.publish(FIRST, "RWTC", date(2020, 5, 26), "9999.00")
    server.publisher.now = RIGHT
    one.night(WRONG)
    assert one.problem() == ""
    return one


def known(one, at):
    with one.warehouse.read() as store:
        return dict(store.as_of(at, series=["EIA.RWTC"]).select("period", "value").iter_rows())


def test_a_value_dated_in_the_future_is_known_since_the_first_night_whose_clock_is_right(misdated):
    at = RIGHT + timedelta(days=1)
    assert NEW_DAY not in known(misdated, at)
    misdated.night(at)
    assert known(misdated, at)[NEW_DAY] == 35.44
    assert known(misdated, at)[date(2020, 5, 27)] == 31.0
    assert known(misdated, at - timedelta(minutes=1))[date(2020, 5, 27)] != 31.0
    (words,) = misdated.landed.notices
    assert words.startswith("2 values were dated in the future, by a clock that was wrong")
    assert words.endswith("they are known since 2020-06-06 03:00 UTC now")
    assert misdated.problem() == ""


def test_a_correction_of_dates_overwrites_no_version_and_is_made_once(misdated):
    before = misdated.table("raw.observation")
    misdated.night(RIGHT + timedelta(days=1))
    after = misdated.table("raw.observation")
    assert before.join(after, on=before.columns, how="anti", nulls_equal=True).is_empty()
    assert len(after) == len(before) + 2
    misdated.night(RIGHT + timedelta(days=2))
    assert misdated.landed.notices == ()
    assert len(misdated.table("raw.observation")) == len(after)


def test_a_correction_of_dates_is_rebuilt_as_it_was(misdated):
    misdated.night(RIGHT + timedelta(days=1))
    misdated.night(RIGHT + timedelta(days=2))
    home = Home(misdated.home, {"eia": misdated.feed})
    before = home.content()
    assert home.rebuild().changed_from is None
    assert_same(before, home.content())
    assert ingest.verify_ledger(misdated.ledger) == []


def test_what_a_wrong_clock_set_aside_and_released_is_dated_anew_too(misdated):
    at = RIGHT + timedelta(days=1)
    misdated.night(at)
    assert misdated.table("quarantine.row")["seen_at"].to_list() == [at]
    assert misdated.table("ref.release")["released_at"].max() == at
    with misdated.warehouse.read() as store:
        assert store.query("SELECT max(newest_seen_at) FROM pub.freshness").item() == at


def test_a_value_with_a_corrected_date_can_be_restated(misdated, server):
    server.publisher.publish(RIGHT + timedelta(days=1), "RWTC", date(2020, 5, 27), "32.00")
    misdated.night(RIGHT + timedelta(days=1))
    for days in (2, 800):
        server.publisher.now = RIGHT + timedelta(days=2)
        misdated.night(RIGHT + timedelta(days=2))
        assert known(misdated, RIGHT + timedelta(days=days))[date(2020, 5, 27)] == 32.0


def test_a_night_whose_clock_is_in_doubt_corrects_nothing(misdated):
    before = misdated.content()
    misdated.night(RIGHT + timedelta(days=2), hour=NO_HOUR)
    assert misdated.errors() == {"ClockInDoubt"}
    assert misdated.landed.notices == ()
    assert misdated.content() == before


def test_an_accepted_clock_corrects_dates_where_no_service_gives_its_hour(misdated):
    at = RIGHT + timedelta(days=1)
    ingest.accept_clock(misdated.ledger, at, "the battery was changed")
    misdated.night(at, hour=NO_HOUR)
    assert known(misdated, at)[NEW_DAY] == 35.44
