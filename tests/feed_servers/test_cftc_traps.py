"""The CFTC's Socrata service on loopback, lying in every way it is known to.

Row shapes are those of real rows; refusals are written from documentation, none was recorded.
"""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from data_contracts.cftc import measures
from tests.feed_servers.cftc_server import CftcServer, report_row
from tests.feed_servers.night import cftc_installation

ALWAYS = 10_000
MARKET = ("legacy", "067651")
OPEN_INTEREST = "CFTC.legacy.067651.open_interest_all"
FIRST = datetime(2020, 6, 6, 2, 0, tzinfo=UTC)
NEXT = FIRST + timedelta(days=7)
#: Tuesdays; 2020-02-24 stands for a Monday before a holiday.
REPORTS = [date(2020, 1, 7) + timedelta(days=7 * week) for week in range(22)]
REPORTS[7] -= timedelta(days=1)
NEWEST = REPORTS[-1] + timedelta(days=7)


def published(report: date) -> datetime:
    return datetime(report.year, report.month, report.day, 20, tzinfo=UTC) + timedelta(days=3)


@pytest.fixture
def server():
    with CftcServer(token="good-token") as running:
        for number, report in enumerate(REPORTS):
            cells = report_row("legacy", 100_000 + number)
            running.publisher.publish(published(report), MARKET, report, json.dumps(cells))
        running.publisher.now = FIRST
        yield running


@pytest.fixture
def installed(tmp_path, server):
    one = cftc_installation(tmp_path / "home", server)
    one.night(FIRST)
    assert one.problem() == ""
    return one


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def bring_news(server, cells=None):
    row = cells or report_row("legacy", 123_456)
    server.publisher.publish(published(NEWEST), MARKET, NEWEST, json.dumps(row))
    server.publisher.now = NEXT


def test_a_mondays_report_is_a_report_and_padded_codes_are_one_market(installed):
    held = installed.values(OPEN_INTEREST)
    assert list(held) == REPORTS
    assert set(installed.table("ref.series")["series_id"]) == {
        f"CFTC.legacy.067651.{column}" for column in measures("legacy")
    }


def test_a_week_is_public_on_its_friday_not_on_its_tuesday(installed, server):
    bring_news(server)
    installed.night(NEXT)
    row = installed.table("raw.observation").filter(series_id=OPEN_INTEREST, period=NEWEST)
    assert row["available_at"].item() == datetime(2020, 6, 12, 19, 30, tzinfo=UTC)
    assert row["available_basis"].item() == "calendar"


@pytest.mark.parametrize(
    ("trap", "error", "words"),
    [
        ("cap", "IncompleteResponse", "the service counts"),
        slow("empty", "IncompleteResponse", "the service counts"),
        ("repeated", "IncompleteResponse", "a report comes twice"),
        ("combined", "UnexpectedShape", "asked for futures only, got Combined"),
        slow("filter_ignored", "UnexpectedShape", "not asked for"),
        slow("column_removed", "UnexpectedShape", "No such column"),
        slow("not_ready", "IncompleteResponse", "still preparing"),
        slow("html_200", "FeedUnavailable", "text/html"),
        ("error_500", "FeedUnavailable", "500"),
    ],
)
def test_a_fault_loses_and_falsifies_nothing_is_told_in_words_and_heals(
    installed, server, trap, error, words
):
    before = installed.content()
    bring_news(server)
    other = json.dumps(report_row("legacy", 7))
    server.publisher.publish(NEXT - timedelta(hours=1), ("legacy", "999999"), NEWEST, other)
    server.traps[trap] = ALWAYS
    installed.night(NEXT)
    assert installed.errors() == {error}
    assert words in installed.problem()
    assert installed.content() == before
    server.traps.clear()
    installed.night(NEXT + timedelta(days=1))
    assert installed.problem() == ""
    assert installed.values(OPEN_INTEREST)[NEWEST] == 123_456


def test_overlapping_pages_are_not_used(tmp_path, server):
    one = cftc_installation(tmp_path / "home", server, page=5)
    server.traps["overlap"] = 1
    one.night(FIRST)
    assert "pages overlap" in one.problem()
    one.night(FIRST + timedelta(days=1))
    assert len(one.values(OPEN_INTEREST)) == len(REPORTS)


def test_a_report_that_was_replaced_does_not_freeze_its_market(installed, server):
    # Deleted and inserted, its row is the newest whatever its date.
    publisher, report = server.publisher, REPORTS[-3]
    text = publisher.public()[MARKET, report]
    publisher.publish(NEXT - timedelta(hours=2), MARKET, report, publisher.WITHDRAWN)
    publisher.publish(NEXT - timedelta(hours=1), MARKET, report, text)
    bring_news(server)
    installed.night(NEXT)
    assert installed.problem() == ""
    assert installed.values(OPEN_INTEREST)[NEWEST] == 123_456


@pytest.mark.parametrize("page", [1000, slow(5)])
def test_reports_that_come_newest_first_are_all_read(tmp_path, server, page):
    server.traps["newest_first"] = ALWAYS
    one = cftc_installation(tmp_path / "home", server, page=page)
    one.night(FIRST)
    assert one.problem() == ""
    assert list(one.values(OPEN_INTEREST)) == REPORTS


def test_a_first_answer_without_a_row_is_told_in_words(tmp_path, server):
    server.publisher.events.clear()
    one = cftc_installation(tmp_path / "home", server)
    one.night(FIRST)
    assert one.errors() == {"IncompleteResponse"}
    assert "not one row came of CFTC.legacy.067651" in one.problem()


def test_the_order_asked_for_follows_dates_and_is_the_same_every_night(installed, server):
    orders = {asked.one("$order") for asked in server.requests if asked.one("$order")}
    assert orders == {"report_date_as_yyyy_mm_dd,id"}


def test_a_wrong_token_is_worse_than_none_so_it_is_dropped_and_said(tmp_path, server):
    one = cftc_installation(tmp_path / "home", server, token="stale-token")
    report = one.night(FIRST)
    assert report.accepted
    assert one.problem() == ""
    assert any("CFTC_APP_TOKEN" in notice for notice in one.landed.notices)
    sent = [asked.headers.get("x-app-token") for asked in server.requests]
    assert sent[0] == "stale-token"
    assert set(sent[1:]) == {None}


def test_a_good_token_travels_in_its_header(tmp_path, server):
    cftc_installation(tmp_path / "home", server, token="good-token").night(FIRST)
    assert {asked.headers.get("x-app-token") for asked in server.requests} == {"good-token"}


def test_a_week_whose_sides_do_not_add_up_to_the_open_interest_is_set_aside_whole(
    installed, server
):
    cells = report_row("legacy", 123_456)
    bring_news(server, cells | {"comm_positions_long_all": cells["comm_positions_long_all"] + 1})
    installed.night(NEXT)
    refused = installed.table("quarantine.row")
    assert set(refused["rule"]) == {"open_interest_identity_long"}
    assert refused["series_id"].n_unique() == len(measures("legacy"))
    assert NEWEST not in installed.values(OPEN_INTEREST)
    assert len(installed.values(OPEN_INTEREST)) == len(REPORTS)


def test_two_reports_within_a_week_are_both_set_aside(installed, server):
    bring_news(server)
    wednesday = NEWEST - timedelta(days=1)
    server.publisher.publish(published(NEWEST), MARKET, wednesday, json.dumps(report_row("legacy")))
    installed.night(NEXT)
    assert set(installed.table("quarantine.row")["rule"]) == {"report_spacing"}
    assert NEWEST not in installed.values(OPEN_INTEREST)


def test_an_empty_field_left_out_of_a_row_is_missing_not_a_new_schema(installed, server):
    cells = report_row("legacy", 123_456)
    del cells["noncomm_postions_spread_all"]
    server.traps["no_headers"] = ALWAYS
    bring_news(server, cells)
    installed.night(NEXT)
    assert installed.problem() == ""
    assert set(installed.table("quarantine.row")["rule"]) <= {
        "open_interest_identity_long",
        "open_interest_identity_short",
    }


def test_a_report_held_back_by_a_shutdown_is_known_when_it_came(tmp_path, server):
    report = date(2025, 9, 30)
    server.publisher.events.clear()
    for week in range(12):
        day = date(2025, 7, 15) + timedelta(days=7 * week)
        server.publisher.publish(
            datetime(2025, 11, 1, tzinfo=UTC), MARKET, day, json.dumps(report_row("legacy"))
        )
    now = datetime(2026, 1, 30, tzinfo=UTC)
    server.publisher.now = now
    one = cftc_installation(tmp_path / "home", server)
    one.night(now)
    row = one.table("raw.observation").filter(series_id=OPEN_INTEREST, period=report)
    assert row["available_at"].item() == datetime(2025, 11, 19, 20, 30, tzinfo=UTC)
    assert row["available_basis"].item() == "assumed"


def test_a_night_with_nothing_new_asks_each_group_once_and_writes_nothing(installed, server):
    from tests.ingest.archive_copy import footprint

    before = footprint(installed.home / "warehouse")
    server.requests.clear()
    installed.night(FIRST + timedelta(days=1))
    assert not installed.reports[-1].changed
    fresh = [asked for asked in server.requests if "<=" not in asked.one("$where")]
    assert len(fresh) == 1
    assert footprint(installed.home / "warehouse") == before


@pytest.mark.parametrize("report", ["disaggregated", "financial"])
def test_the_other_reports_are_read_by_their_own_columns(tmp_path, server, report):
    code = {"disaggregated": "067651", "financial": "098662"}[report]
    for day in REPORTS[:5]:
        cells = json.dumps(report_row(report, 50_000))
        server.publisher.publish(published(day), (report, code), day, cells)
    one = cftc_installation(tmp_path / "home", server, report=report, codes=(code,))
    one.night(FIRST)
    held = one.table("raw.observation")
    assert set(held["series_id"]) == {f"CFTC.{report}.{code}.{name}" for name in measures(report)}
    assert held.filter(pl.col("series_id").str.ends_with("open_interest_all"))[
        "value"
    ].unique().to_list() == [50_000]
