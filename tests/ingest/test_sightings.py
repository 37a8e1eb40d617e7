"""Answers of the same bytes with other headers: each night is done again with its own."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.feed_servers.cftc_server import CftcServer, report_row
from tests.feed_servers.night import Installation, cftc_installation
from tests.ingest.mixed_home import Home, assert_same

FIRST = datetime(2020, 6, 6, 2, tzinfo=UTC)
REPORTS = [date(2020, 1, 7) + timedelta(days=7 * week) for week in range(21)]


class Forgetful(CftcServer):
    """Says in its headers that its rows have no columns, while asked to."""

    forgets = False

    def answer(self, asked):
        reply = super().answer(asked)
        if self.forgets and "X-SODA2-Fields" in reply.headers:
            reply.headers |= {"X-SODA2-Fields": "[]", "X-SODA2-Types": "[]"}
        return reply


@pytest.fixture
def server():
    with Forgetful() as running:
        for number, report in enumerate(REPORTS):
            row = json.dumps(report_row("legacy", 100_000 + number))
            running.publisher.publish(FIRST, ("legacy", "067651"), report, row)
        running.publisher.now = FIRST
        yield running


def nights(installation: Installation, server: Forgetful, forgetful: tuple[bool, ...]) -> None:
    for number, forgets in enumerate(forgetful):
        server.forgets = forgets
        installation.night(FIRST + timedelta(minutes=number))


@pytest.mark.parametrize("forgetful", [(True, False), (False, True), (True, False, True)], ids=str)
def test_nights_of_wrong_headers_on_the_same_bytes_are_done_again_as_they_were(
    tmp_path, server, forgetful
):
    installed = cftc_installation(tmp_path / "home", server)
    nights(installed, server, forgetful)
    home = Home(installed.home, {installed.feed.name: installed.feed})
    before = home.content()
    assert before["ledger.txn"].height == 1
    home.rebuild()
    assert_same(before, home.content())
