"""The EIA's history files, and every way a service of whole files may lie, on loopback.

The files are written from descriptions: none was ever recorded.
"""

import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from cbi_pipeline.feeds import eia_history
from cbi_pipeline.feeds.eia_series import SERIES
from tests.feed_servers.conftest import FIRST_NIGHT, publish_spot
from tests.feed_servers.eia_history_server import EiaHistoryServer
from tests.feed_servers.night import WTI, Installation, unhurried

ALWAYS = 10_000
NEXT = FIRST_NIGHT + timedelta(days=1)
RESTATED = date(2020, 4, 1)

REFUSED = [
    ("error_429", "RateLimited", "429"),
    ("error_503", "FeedUnavailable", "503"),
    ("html_200", "UnexpectedShape", "text/html; charset=utf-8 in place of a workbook"),
    ("gone", "UnexpectedShape", "404"),
    ("elsewhere", "FeedUnavailable", "redirects to another host"),
    ("cut", "IncompleteResponse", "damaged or breaks off"),
    ("damaged", "IncompleteResponse", "damaged or breaks off"),
    ("another", "UnexpectedShape", "asked for EIA.RWTC, got no series we follow"),
    ("weekly", "UnexpectedShape", "asked for daily values, got weekly"),
    ("no_keys", "UnexpectedShape", "names its columns by source keys"),
    ("retitled", "UnexpectedShape", "break their contract"),
    ("shrunk", "IncompleteResponse", "9 of 78 periods we hold of EIA.RWTC are not in the answer"),
]


def installation(home, server, codes=("RWTC",)) -> Installation:
    series = [one for one in SERIES if one.code in codes]
    return Installation(home, unhurried(eia_history.source(server.base, series)), None)


@pytest.fixture
def files():
    with EiaHistoryServer() as running:
        publish_spot(running)
        running.publisher.now = FIRST_NIGHT
        yield running


@pytest.fixture
def home(tmp_path, files):
    """An installation whose first night went well."""
    begun = installation(tmp_path / "home", files)
    assert begun.night(FIRST_NIGHT).changed
    files.sent.clear()
    return begun


def publish_change(files):
    """A newer day and a restated one."""
    at = FIRST_NIGHT + timedelta(hours=1)
    files.publisher.publish(at, "RWTC", date(2020, 6, 1), "55.55")
    files.publisher.publish(at, "RWTC", RESTATED, "53.21")
    files.publisher.now = NEXT


def test_a_whole_history_is_entered_once(home, files):
    published = {day: float(text) for (_, day), text in files.publisher.public().items()}
    assert home.values() == published
    assert home.problem() == ""


def test_an_unchanged_file_costs_one_answer_without_a_body(home, files):
    blobs = sorted((home.home / "ledger" / "blobs").rglob("*"))
    before = home.content()
    assert not home.night(NEXT).changed
    assert files.sent == [("/dnav/pet/hist_xls/RWTCd.xls", 304)]
    assert home.content() == before
    assert sorted((home.home / "ledger" / "blobs").rglob("*")) == blobs


def test_that_it_was_unchanged_is_a_sighting_with_its_own_status(home, files):
    for night in range(1, 4):
        home.night(FIRST_NIGHT + timedelta(days=night))
    seen = home.ledger.responses()
    assert [response.status for response in seen] == [200, 304]
    assert len({response.sha256 for response in seen}) == 1


def test_a_changed_file_is_sent_and_said(home, files):
    publish_change(files)
    assert home.night(NEXT).added == 2
    assert files.sent == [("/dnav/pet/hist_xls/RWTCd.xls", 200)]
    assert home.values()[RESTATED] == 53.21


def test_a_file_without_mark_or_hour_is_sent_again(home, files):
    files.traps["unmarked"] = ALWAYS
    assert not home.night(NEXT).changed
    assert not home.night(NEXT + timedelta(days=1)).changed
    assert home.problem() == ""


def test_what_is_said_of_other_bytes_is_not_believed(home, files):
    publish_change(files)
    files.traps["stubborn"] = 1
    assert home.night(NEXT).added == 2
    assert [status for _, status in files.sent] == [304, 200]


def test_days_may_be_plain_numbers(tmp_path, files):
    files.traps["numbers"] = ALWAYS
    home = installation(tmp_path / "home", files)
    home.night(FIRST_NIGHT)
    assert min(home.values()) == date(2020, 1, 2)


def test_a_blank_cell_is_a_missing_value(home, files):
    files.publisher.publish(NEXT - timedelta(hours=2), "RWTC", date(2020, 6, 1), None)
    files.publisher.now = NEXT
    home.night(NEXT)
    rows = home.table("raw.observation").filter(period=date(2020, 6, 1))
    assert rows.select("status", "value").rows() == [("missing", None)]


def test_a_row_that_cannot_be_read_is_set_aside_and_the_rest_used(home, files):
    publish_change(files)
    files.traps["wordy"] = 1
    assert home.night(NEXT).added == 2
    (row,) = home.table("quarantine.row").filter(rule="period_readable").to_dicts()
    assert json.loads(row["row"]) == ["no day", "n.q."]


@pytest.mark.parametrize(("trap", "error", "words"), REFUSED)
def test_a_fault_loses_nothing_and_heals(home, files, trap, error, words):
    before = home.content()
    publish_change(files)
    files.traps[trap] = ALWAYS
    home.night(NEXT)
    assert home.content() == before
    assert home.errors() == {error}
    assert re.search(words, home.problem())
    files.traps.clear()
    assert home.night(NEXT + timedelta(hours=1)).added == 2
    assert home.problem() == ""


def test_a_few_days_may_be_withdrawn(home, files):
    for day in (date(2020, 2, 17), date(2020, 4, 10)):
        files.publisher.publish(NEXT - timedelta(hours=2), "RWTC", day, files.publisher.WITHDRAWN)
    files.publisher.now = NEXT
    assert home.night(NEXT).withdrawn == 2
    assert date(2020, 2, 17) not in {day for day, value in home.values().items() if value}


def test_a_file_of_one_series_that_is_gone_leaves_the_others_asked(tmp_path, files):
    publish_spot(files, "RBRTE")
    home = installation(tmp_path / "home", files, ("RWTC", "RBRTE"))
    files.traps["gone"] = 1
    home.night(FIRST_NIGHT)
    assert len(home.values("EIA.RBRTE")) > 0
    assert home.errors() == {"UnexpectedShape"}
    assert not home.values(WTI)


def test_a_held_restatement_is_confirmed_by_an_unchanged_file(home, files):
    for (code, day), text in files.publisher.public().items():
        files.publisher.publish(NEXT - timedelta(hours=2), code, day, f"{float(text) * 10:.1f}")
    files.publisher.now = NEXT
    home.night(NEXT)
    assert "held for confirmation" in home.problem()
    files.sent.clear()
    home.night(NEXT + timedelta(days=1))
    assert [status for _, status in files.sent] == [304]
    assert home.values()[RESTATED] > 300
    assert home.problem() == ""


def test_every_file_is_asked_for_under_its_own_address():
    feed = eia_history.source("https://www.eia.gov")
    urls = [pull.url for pull in feed.pulls(feed.series, {}, datetime.now(UTC).date())]
    assert urls[0] == "https://www.eia.gov/dnav/pet/hist_xls/RWTCd.xls"
    assert "https://www.eia.gov/dnav/ng/hist_xls/RNGWHHDd.xls" in urls
    assert len(set(urls)) == len(feed.series)
