"""A night of thousands of series: questions that fit an address, a ledger that grows as they do."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import SecretStr

from cbi_pipeline.feeds import cftc, eia
from cbi_pipeline.feeds.cftc_series import SERIES as COT
from cbi_pipeline.feeds.eia_series import SERIES
from cbi_pipeline.feeds.windows import ADDRESS_LIMIT
from tests.feed_servers.conftest import FIRST_NIGHT
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import Installation, unhurried
from tests.feed_servers.server import Reply

TODAY = date(2020, 6, 3)
FRIDAYS = [date(2020, 4, 24) + timedelta(days=7 * number) for number in range(5)]
STOCKS = next(one for one in SERIES if one.unit == "kb")
NAMES = "W_EPC0_SAX_YCUOK_MBBL_{:04}"


def many(number):
    return [
        replace(STOCKS, id=f"EIA.{code}", code=code, since=FRIDAYS[0])
        for code in map(NAMES.format, range(number))
    ]


class Strict(EiaServer):
    """A server that takes no longer address than common ones do."""

    def answer(self, asked):
        length = len(asked.path) + sum(len(name) + len(text) + 2 for name, text in asked.query)
        return (
            Reply(414, b"<html>URI Too Long</html>", "text/html")
            if length > 4300
            else (super().answer(asked))
        )


def installed(home, server, number):
    for code in map(NAMES.format, range(number)):
        for day in FRIDAYS:
            at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=6)
            server.publisher.publish(at, code, day, f"{40_000 + day.day}")
    server.publisher.now = FIRST_NIGHT
    feed = unhurried(eia.source(server.url, many(number)))
    return Installation(home, feed, SecretStr(server.key))


@pytest.mark.parametrize("number", [1, 22, 400, 2000])
@pytest.mark.parametrize("is_held", [False, True])
def test_every_series_is_asked_for_once_in_addresses_that_are_not_too_long(number, is_held):
    feed = eia.source("https://api.eia.gov/v2", many(number))
    held = {one.id: TODAY for one in feed.series} if is_held else {}
    pulls = [pull for pull in feed.pulls(feed.series, held, TODAY) if pull.last is None]
    assert max(len(pull.url) for pull in pulls) <= ADDRESS_LIMIT
    asked = [name for pull in pulls for name in pull.series]
    assert sorted(asked) == sorted(one.id for one in feed.series)
    assert len({pull.name for pull in pulls}) == len(pulls)
    assert len(pulls) <= 1 + number // 25


def test_columns_of_one_market_are_asked_for_together():
    one = [column for column in COT if column.group == "disaggregated"]
    columns = [column for column in one if column.code == one[0].code]
    series = [
        replace(column, id=column.id.replace(column.code, f"{number:06}"), code=f"{number:06}")
        for number in range(2000)
        for column in columns
    ]
    feed = cftc.source("https://publicreporting.cftc.gov", series)
    pulls = feed.pulls(feed.series, {}, TODAY)
    assert len(pulls) > 1
    assert all(len(pull.url) <= ADDRESS_LIMIT for pull in pulls)
    assert all(len(feed.asked.count_url(pull)) <= ADDRESS_LIMIT for pull in pulls)
    asked = [{name.split(".")[2] for name in pull.series} for pull in pulls]
    assert sum(map(len, asked)) == len(set().union(*asked)) == 2000
    assert sum(len(pull.series) for pull in pulls) == len(series)


def test_the_series_that_ship_are_asked_for_in_one_question_a_group():
    for feed in (eia.source(), cftc.source()):
        groups = {(one.group, one.frequency) for one in feed.series}
        assert len(feed.pulls(feed.series, {}, TODAY)) == len(groups)


def test_a_service_that_takes_no_long_address_answers_for_every_series(tmp_path):
    with Strict() as server:
        one = installed(tmp_path / "home", server, 300)
        one.night(FIRST_NIGHT)
        assert one.problem() == ""
        assert one.reports[-1].added == 300 * len(FRIDAYS)


@pytest.mark.slow
def test_the_manifest_grows_with_the_series_and_no_faster(tmp_path):
    sizes = {}
    for number in (500, 2000):
        with EiaServer() as server:
            server.cap = 100
            one = installed(tmp_path / str(number), server, number)
            one.night(FIRST_NIGHT)
            assert one.problem() == ""
            sizes[number] = one.ledger.manifest.stat().st_size
    assert sizes[2000] < 5 * sizes[500]
