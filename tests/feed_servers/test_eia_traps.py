"""Every way the EIA's API is known to lie quietly, against a real server on loopback.

The successful answers have the shape of recorded ones; refusals, rate limits and warnings are
written from documentation, because none was ever recorded.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import SecretStr

from cbi_pipeline.feeds import eia
from cbi_pipeline.feeds.eia_series import SERIES
from cbi_pipeline.ingest._client import Patience
from tests.feed_servers.conftest import FIRST_NIGHT
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import eia_installation, unhurried

ALWAYS = 10_000
NEXT = FIRST_NIGHT + timedelta(days=1)
RESTATED = date(2020, 4, 1)

REFUSED = [
    ("error_429", ALWAYS, "RateLimited", "over its rate limit"),
    ("error_429_late", 1, "RateLimited", "429|rate limit"),
    ("error_500", ALWAYS, "FeedUnavailable", "500"),
    ("error_503", ALWAYS, "FeedUnavailable", "503"),
    ("html_200", ALWAYS, "FeedUnavailable", "text/html"),
    ("slow", ALWAYS, "FeedUnavailable", "no answer in time"),
    ("truncated", ALWAYS, "FeedUnavailable", "RemoteProtocolError"),
    ("hangup", ALWAYS, "FeedUnavailable", "RemoteProtocolError"),
    ("elsewhere", ALWAYS, "FeedUnavailable", "redirects to another host"),
    ("cut", ALWAYS, "IncompleteResponse", "cut off"),
    ("huge", ALWAYS, "IncompleteResponse", "larger than"),
    ("empty", ALWAYS, "IncompleteResponse", "periods we hold"),
    ("cap", ALWAYS, "IncompleteResponse", "an empty page after"),
    ("repeated", ALWAYS, "IncompleteResponse", "repeat others"),
    ("lost", ALWAYS, "IncompleteResponse", "comes when it is asked for alone"),
    ("warning", ALWAYS, "IncompleteResponse", "parameter out of range"),
    ("filter_ignored", ALWAYS, "UnexpectedShape", "STRANGER"),
    ("bounds_ignored", ALWAYS, "UnexpectedShape", "periods not asked for"),
    ("column_removed", ALWAYS, "UnexpectedShape", "without the column value"),
    ("retyped", ALWAYS, "UnexpectedShape", "break their contract"),
    ("weekly", ALWAYS, "UnexpectedShape", "asked for daily values, got weekly"),
    ("no_frequency", ALWAYS, "UnexpectedShape", "does not say what its are"),
    ("old_500", ALWAYS, "UnexpectedShape", "Invalid column"),
    ("frequency_error", ALWAYS, "UnexpectedShape", "Invalid frequency"),
]
HARMLESS = [
    ("error_429_soon", 1),
    ("error_503", 2),
    ("truncated", 1),
    ("slow", 1),
    ("hangup", 1),
    ("moved", 1),
    ("column_added", ALWAYS),
    ("disordered", ALWAYS),
    ("numbers", ALWAYS),
]
ALIKE = {
    *("error_503", "html_200", "truncated", "hangup", "error_429_late", "huge", "warning"),
    *("elsewhere", "moved", "frequency_error", "empty", "retyped"),
    *("bounds_ignored", "weekly", "old_500", "numbers", "error_500", "column_removed"),
}


def restate(server):
    server.publisher.publish(NEXT, "RWTC", RESTATED, "99.99")
    server.publisher.now = NEXT


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def cases(listed):
    """The listed cases; those that end as another one does run with the slow tests."""
    return [
        pytest.param(*case, id=case[0], marks=[pytest.mark.slow] if case[0] in ALIKE else [])
        for case in listed
    ]


@pytest.mark.parametrize(("trap", "often", "error", "words"), cases(REFUSED))
def test_a_fault_loses_and_falsifies_nothing_is_told_in_words_and_heals(
    installed, server, trap, often, error, words
):
    before = installed.content()
    restate(server)
    server.traps[trap] = often
    report = installed.night(NEXT)
    assert installed.errors() == {error}
    assert any(word in installed.problem() for word in words.split("|")), installed.problem()
    assert not report.added
    assert installed.content() == before
    server.traps.clear()
    installed.night(NEXT + timedelta(days=1))
    assert installed.problem() == ""
    assert installed.values()[RESTATED] == 99.99
    assert [event.kind for event in installed.faults.events()] == ["opened", "closed"]


@pytest.mark.parametrize(("trap", "often"), cases(HARMLESS))
def test_what_a_retry_cures_or_what_changes_no_meaning_is_no_fault(installed, server, trap, often):
    restate(server)
    server.traps[trap] = often
    assert installed.night(NEXT).changed
    assert installed.problem() == ""
    assert installed.values()[RESTATED] == 99.99


def test_a_wrong_key_is_told_from_every_other_failure_and_asked_only_once(installed, server):
    installed.key = SecretStr("w" * 40)
    installed.night(NEXT)
    assert installed.errors() == {"RejectedCredential"}
    assert "Correct EIA_API_KEY" in installed.problem()
    assert len(server.requests) == 1


@pytest.mark.parametrize("key", [None, SecretStr(""), SecretStr("  ")])
def test_a_missing_key_is_named_with_where_to_get_one_and_nothing_is_asked(installed, server, key):
    installed.key = key
    installed.night(NEXT)
    assert installed.errors() == {"MissingCredential"}
    assert "https://www.eia.gov/opendata/" in installed.problem()
    assert server.requests == []


def test_a_service_that_asks_for_an_hour_is_left_alone(installed, server):
    server.traps["error_429_late"] = ALWAYS
    installed.night(NEXT)
    assert len(server.requests) == 1


def test_a_refusal_of_our_question_is_not_repeated(installed, server):
    server.traps["old_500"] = ALWAYS
    # A question asked again because a busy machine answered late would look like a repetition.
    installed.patience = Patience()
    installed.night(NEXT)
    assert len(server.requests) == len({tuple(asked.query) for asked in server.requests})


def test_the_key_travels_in_the_query_and_the_frequency_is_always_sent(installed, server):
    installed.night(NEXT)
    assert all(asked.one("api_key") == server.key for asked in server.requests)
    assert all(asked.one("frequency") == "daily" for asked in server.requests)


def test_pages_are_followed_to_the_total(tmp_path, server):
    small = eia_installation(tmp_path / "home", server, page=7)
    report = small.night(FIRST_NIGHT)
    assert report.accepted == len(server.publisher.public())
    assert small.landed.requests == -(-report.accepted // 7)


@pytest.mark.parametrize(
    ("trap", "words"),
    [
        ("overlap", "repeats rows"),
        ("total_changes", "the total changed"),
        ("disordered", "not in the order asked for"),
    ],
)
def test_pages_that_do_not_fit_together_are_not_used(tmp_path, server, trap, words):
    small = eia_installation(tmp_path / "home", server, page=7)
    server.traps[trap] = 1
    report = small.night(FIRST_NIGHT)
    assert words in small.problem()
    assert not report.changed
    assert small.faults.open("eia")[0].response_ids, "what was landed is marked"


def test_an_incomplete_answer_is_landed_and_never_used(installed, server):
    server.traps["cap"] = ALWAYS
    restate(server)
    installed.night(NEXT)
    marked = {one for fault in installed.faults.open("eia") for one in fault.response_ids}
    assert marked <= {response.response_id for response in installed.ledger.responses("eia")}
    used = {one for ids in installed.table("ledger.txn")["response_ids"] for one in ids}
    assert marked
    assert not marked & used


def test_a_number_without_a_leading_zero_and_a_negative_price_are_numbers(tmp_path, server):
    server.publisher.publish(FIRST_NIGHT, "RWTC", date(2020, 4, 20), "-36.98")
    server.publisher.publish(FIRST_NIGHT, "RWTC", date(2020, 4, 21), ".833")
    fresh = eia_installation(tmp_path / "home", server)
    fresh.night(FIRST_NIGHT)
    assert fresh.values()[date(2020, 4, 20)] == -36.98
    assert fresh.values()[date(2020, 4, 21)] == 0.833


def test_a_null_is_missing_and_a_word_is_set_aside(installed, server):
    server.publisher.publish(NEXT, "RWTC", date(2020, 4, 2), None)
    server.publisher.publish(NEXT, "RWTC", date(2020, 4, 3), "n/a soon")
    server.publisher.now = NEXT
    installed.night(NEXT)
    assert date(2020, 4, 2) not in installed.values()
    row = installed.table("quarantine.row").row(0, named=True)
    assert (row["rule"], row["value"], row["fate"]) == ("value_readable", "n/a soon", "open")
    assert installed.values()[date(2020, 4, 3)] is not None, "the value known before stands"


def test_a_unit_that_changes_within_its_bounds_is_not_used_at_first_sight(installed, server):
    for day, price in list(installed.values().items())[-6:]:
        server.publisher.publish(NEXT, "RWTC", day, f"{price / 42:.4f}")
    server.publisher.now = NEXT
    before = installed.values()
    installed.night(NEXT)
    assert installed.values() == before
    assert "6 of 6 restated values changed by the factor 1/42" in installed.problem()


def test_a_publisher_that_starts_to_round_is_not_used(installed, server):
    for day, price in installed.values().items():
        server.publisher.publish(NEXT, "RWTC", day, f"{price / 10:.0f}")
    server.publisher.now = NEXT
    before = installed.values()
    installed.night(NEXT)
    assert installed.values() == before
    assert "different values among the 40" in installed.problem()


@pytest.mark.slow
def test_a_row_refused_night_after_night_is_one_quarantined_row_until_it_is_right(
    installed, server
):
    server.publisher.publish(NEXT, "RWTC", date(2020, 4, 3), "soon")
    for night in range(3):
        server.publisher.now = NEXT + timedelta(days=night)
        installed.night(server.publisher.now)
    assert installed.table("quarantine.row")["fate"].to_list() == ["open"]
    late = NEXT + timedelta(days=4)
    server.publisher.publish(late, "RWTC", date(2020, 4, 3), "41.00")
    server.publisher.now = late
    installed.night(late)
    assert installed.table("quarantine.row")["fate"].to_list() == ["superseded"]
    assert installed.values()[date(2020, 4, 3)] == 41.0


def test_a_withdrawn_value_becomes_a_row_known_since_it_was_seen(installed, server):
    gone = date(2020, 4, 10)
    assert gone in installed.values()
    server.publisher.publish(NEXT, "RWTC", gone, server.publisher.WITHDRAWN)
    server.publisher.now = NEXT
    installed.night(NEXT)
    last = installed.table("raw.observation").filter(period=gone).row(-1, named=True)
    assert (last["status"], last["available_at"]) == ("withdrawn", NEXT)
    assert gone not in installed.values()
    server.publisher.publish(NEXT, "RWTC", gone, "22.76")
    again = NEXT + timedelta(days=1)
    server.publisher.now = again
    installed.night(again)
    assert installed.values()[gone] == 22.76


@pytest.mark.parametrize("hit", [1, -1, slow(-17)])
def test_a_repeated_row_that_hides_a_missing_one_withdraws_nothing(installed, server, hit):
    before = installed.content()
    server.publisher.now = NEXT
    server.traps["repeated"], server.hit = ALWAYS, hit
    installed.night(NEXT)
    assert installed.errors() == {"IncompleteResponse"}
    assert installed.content() == before


def test_a_withdrawal_is_asked_again_that_period_alone_and_by_no_other_night(installed, server):
    gone = date(2020, 4, 10)
    server.publisher.publish(NEXT, "RWTC", gone, server.publisher.WITHDRAWN)
    server.publisher.now = NEXT
    server.requests.clear()
    installed.night(NEXT)
    bounds = [(asked.one("start"), asked.one("end")) for asked in server.requests]
    assert bounds.count((gone.isoformat(), gone.isoformat())) == 1
    asked = len(server.requests)
    installed.night(NEXT + timedelta(days=1))
    assert len(server.requests) <= 2 * asked - 1, "what is withdrawn is not asked for again"


def test_an_answer_that_lost_one_series_of_a_day_withdraws_nothing(tmp_path, server):
    from tests.feed_servers.conftest import publish_spot

    publish_spot(server, "RBRTE")
    both = eia_installation(tmp_path / "home", server, codes=("RWTC", "RBRTE"))
    both.night(FIRST_NIGHT)
    before = both.content()
    server.publisher.now = NEXT
    server.traps["lost"], server.hit = ALWAYS, -8
    both.night(NEXT)
    assert "comes when it is asked for alone" in both.problem()
    assert both.content() == before


@pytest.mark.slow
def test_a_hole_left_long_ago_is_healed_by_the_rotating_deep_re_read(tmp_path):
    with EiaServer() as server:
        day = date(2018, 1, 2)
        for offset in range(0, 900, 7):
            period = day + timedelta(days=offset)
            text = f"{50 + offset / 100:.2f}"
            server.publisher.publish(FIRST_NIGHT - timedelta(days=9), "RWTC", period, text)
        hole = day + timedelta(days=70)
        server.publisher.publish(
            FIRST_NIGHT - timedelta(days=8), "RWTC", hole, server.publisher.WITHDRAWN
        )
        server.publisher.now = FIRST_NIGHT
        series = [replace(SERIES[0], since=day)]
        one = eia_installation(tmp_path / "home", server)
        one.feed = unhurried(eia.source(server.url, series))
        one.night(FIRST_NIGHT)
        assert hole not in one.values()
        server.publisher.publish(FIRST_NIGHT, "RWTC", hole, "51.00")
        nights = 0
        while hole not in one.values():
            nights += 1
            assert nights <= 30
            one.night(FIRST_NIGHT + timedelta(days=nights))
        healed = one.table("raw.observation").filter(period=hole).row(0, named=True)
        assert healed["available_basis"] == "first_seen"


@pytest.mark.slow
def test_a_value_published_on_time_is_dated_by_the_calendar_and_a_late_one_by_our_sight(
    installed, server
):
    punctual, late = date(2020, 6, 8), date(2020, 5, 29)
    wednesday = datetime(2020, 6, 11, 1, 30, tzinfo=UTC)
    server.publisher.publish(wednesday, "RWTC", punctual, "35.50")
    thursday_week = datetime(2020, 6, 12, 1, 0, tzinfo=UTC)
    server.publisher.publish(thursday_week, "RWTC", late, "35.10")
    for night in range(1, 9):
        # 22:00 in New York, an hour before the decision.
        server.publisher.now = FIRST_NIGHT + timedelta(days=night, hours=-1)
        installed.night(server.publisher.now)
    rows = {row["period"]: row for row in installed.table("raw.observation").to_dicts()}
    assert rows[punctual]["available_basis"] == "calendar"
    assert rows[punctual]["available_at"] == wednesday
    if late in rows:
        assert rows[late]["available_basis"] == "first_seen"
        assert rows[late]["available_at"] >= thursday_week - timedelta(days=1)


@pytest.mark.parametrize(
    ("seen", "basis"),
    [
        slow(datetime(2020, 6, 11, 2, 0, tzinfo=UTC), "calendar"),
        (datetime(2020, 6, 11, 3, 0, tzinfo=UTC), "calendar"),
        (datetime(2020, 6, 11, 3, 0, 1, tzinfo=UTC), "first_seen"),
        slow(datetime(2020, 6, 11, 15, 30, tzinfo=UTC), "first_seen"),
    ],
)
def test_a_value_first_seen_after_a_decision_is_not_claimed_to_have_been_known_at_it(
    installed, server, seen, basis
):
    period, rule = date(2020, 6, 8), datetime(2020, 6, 11, 1, 30, tzinfo=UTC)
    decision = datetime(2020, 6, 11, 3, 0, tzinfo=UTC)
    if seen > decision:
        # The last answer before the decision was whole and lacked it.
        server.publisher.now = decision - timedelta(hours=1)
        installed.night(server.publisher.now)
        assert period not in installed.values()
    server.publisher.publish(rule, "RWTC", period, "35.50")
    server.publisher.now = seen
    installed.night(seen)
    (row,) = installed.table("raw.observation").filter(period=period).to_dicts()
    assert row["available_basis"] == basis
    assert row["available_at"] == (rule if basis == "calendar" else seen)
    with installed.warehouse.read() as store:
        known = store.as_of(decision)
    assert (period in known["period"]) == (basis == "calendar")


def test_a_first_load_between_two_decisions_assumes_the_rule_for_every_period(tmp_path, server):
    morning = datetime(2020, 6, 4, 15, 30, tzinfo=UTC)
    server.publisher.now = morning
    one = eia_installation(tmp_path / "home", server)
    one.night(morning)
    rows = one.table("raw.observation")
    assert set(rows["available_basis"]) == {"assumed"}
    assert rows["available_at"].max() < morning


def test_a_night_with_nothing_new_asks_each_group_once_and_writes_nothing(installed, server):
    from tests.ingest.archive_copy import footprint

    for night in range(1, 3):
        installed.night(FIRST_NIGHT + timedelta(days=night))
    server.requests.clear()
    before = footprint(installed.home)
    same_slice = FIRST_NIGHT + timedelta(days=31)
    server.publisher.now = FIRST_NIGHT
    installed.night(same_slice)
    asked = [asked for asked in server.requests if asked.one("end") is None]
    assert len(asked) == 1
    assert len(server.requests) <= 2, "beside it only the slice of the deep re-read"
    assert not installed.reports[-1].changed
    assert footprint(installed.home) == before


def test_a_long_dead_series_does_not_widen_what_the_living_ones_ask(tmp_path, server):
    from tests.feed_servers.conftest import publish_spot

    publish_spot(server, "RBRTE", days=20)
    both = eia_installation(tmp_path / "home", server, codes=("RWTC", "RBRTE"))
    both.night(FIRST_NIGHT)
    server.requests.clear()
    both.night(NEXT)
    starts = {
        asked.one("start"): asked.every("facets[series][]")
        for asked in server.requests
        if asked.one("end") is None
    }
    assert sorted(starts.values()) == [["RBRTE"], ["RWTC"]]
