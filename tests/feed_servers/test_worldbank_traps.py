"""The World Bank's Pink Sheet and its habits, on loopback."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from cbi_pipeline.feeds import worldbank
from tests.feed_servers.night import Installation, unhurried
from tests.feed_servers.worldbank_server import SERIES, WorldBankServer

ALWAYS = 10_000
FIRST = datetime(2026, 6, 4, 23, 0, tzinfo=UTC)
NEXT = FIRST + timedelta(days=30)
GOLD = "WB.GOLD"

REFUSED = [
    ("unnamed", "UnexpectedShape", "the page names no CMO-Historical"),
    ("strange_host", "UnexpectedShape", "another host, files.example.org"),
    ("stale_link", "UnexpectedShape", "text/html in place of a workbook"),
    ("html_200", "UnexpectedShape", "the page names no CMO-Historical"),
    ("error_503", "FeedUnavailable", "503"),
    ("shrunk", "IncompleteResponse", "periods we hold of WB"),
    ("renamed", "UnexpectedShape", "0 columns are named 'Soybean oil'"),
    ("twice", "UnexpectedShape", "2 columns are named 'Soybean oil'"),
    ("rounded", "UnexpectedShape", "held for confirmation"),
]


def publish(server, until=(2026, 5)):
    """A price of every month, public on the second working day after it."""
    month = date(2020, 1, 1)
    while (month.year, month.month) <= until:
        after = (month + timedelta(days=31)).replace(day=1)
        at = datetime(after.year, after.month, 3, 18, tzinfo=UTC)
        for number, one in enumerate(SERIES):
            price = 1000 + 100 * number + month.toordinal() % 97 / 7
            server.publisher.publish(at, one.code, month, f"{price:.4f}")
        month = after


@pytest.fixture
def server():
    with WorldBankServer() as running:
        publish(running)
        running.publisher.now = FIRST
        yield running


@pytest.fixture
def home(tmp_path, server):
    begun = Installation(tmp_path / "home", unhurried(worldbank.source(server.base)), None)
    assert begun.night(FIRST).changed
    server.sent.clear()
    return begun


def publish_june(server):
    publish(server, (2026, 6))
    server.publisher.now = NEXT
    server.release = "b2"


def test_every_month_is_entered_by_its_first_day(home):
    values = home.values(GOLD)
    assert (min(values), max(values)) == (date(2020, 1, 1), date(2026, 5, 1))
    assert home.problem() == ""


def test_a_month_is_public_once_it_is_over(home):
    rows = home.table("raw.observation").filter(series_id=GOLD, period=date(2026, 5, 1))
    assert rows["available_at"].item() > datetime(2026, 6, 1, tzinfo=UTC)


def test_the_next_release_lies_at_another_address(home, server):
    publish_june(server)
    assert home.night(NEXT).added == len(SERIES)
    assert date(2026, 6, 1) in home.values(GOLD)


def test_an_unchanged_workbook_is_not_sent_again(home, server):
    assert not home.night(FIRST + timedelta(days=1)).changed
    assert server.sent[-1] == (worldbank.WORKBOOK, 304)


@pytest.mark.parametrize("has_codes", [True, False])
@pytest.mark.parametrize("has_notes", [True, False])
@pytest.mark.parametrize("missing", ["…", "...", "..", ""])
def test_codes_notes_and_tokens_come_and_go(tmp_path, server, has_codes, has_notes, missing):
    server.has_codes, server.has_notes, server.missing = has_codes, has_notes, missing
    server.publisher.publish(FIRST - timedelta(days=9), "Gold", date(2020, 1, 1), None)
    home = Installation(tmp_path / "home", unhurried(worldbank.source(server.base)), None)
    home.night(FIRST)
    rows = home.table("raw.observation").filter(series_id=GOLD).sort("period")
    assert rows["status"].to_list() == ["missing", *["value"] * (len(rows) - 1)]
    assert home.problem() == ""


@pytest.mark.parametrize(("trap", "error", "words"), REFUSED)
def test_a_fault_loses_nothing_and_heals(home, server, trap, error, words):
    before = home.content()
    publish_june(server)
    server.traps[trap] = ALWAYS
    home.night(NEXT)
    assert home.content() == before
    assert home.errors() == {error}
    assert re.search(words, home.problem())
    server.traps.clear()
    assert home.night(NEXT + timedelta(hours=1)).added == len(SERIES)
    assert home.problem() == ""


def test_a_rounding_that_comes_twice_is_believed(home, server):
    server.traps["rounded"] = ALWAYS
    home.night(FIRST + timedelta(days=1))
    assert "held for confirmation" in home.problem()
    home.night(FIRST + timedelta(days=2))
    assert home.problem() == ""
    assert all(value % 10 == 0 for value in home.values(GOLD).values())
