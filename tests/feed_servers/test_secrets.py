"""A marked key goes through every failure path and is then searched for, in every spelling."""

import base64
import sqlite3
import traceback
import zlib
from contextlib import closing
from datetime import timedelta
from urllib.parse import quote

import duckdb
import httpx
import pytest
from pydantic import SecretStr

from cbi_pipeline.feeds import FeedError
from cbi_pipeline.ingest._client import Client, Patience
from tests.feed_servers.cftc_server import CftcServer
from tests.feed_servers.conftest import FIRST_NIGHT, publish_spot
from tests.feed_servers.night import cftc_installation, eia_installation
from tests.feed_servers.sentinel import PATHS, SENTINEL, EchoingServer, search, spellings


def test_the_search_would_find_a_leak(tmp_path):
    (tmp_path / "leak").write_text(f"url?api_key={quote(SENTINEL, safe='')}")
    assert search(tmp_path, {})
    assert search(tmp_path / "none", {"log": base64.b64encode(SENTINEL.encode()).decode()})


def test_the_search_opens_databases(tmp_path):
    with duckdb.connect(tmp_path / "one.duckdb") as opened:
        opened.execute(
            "CREATE TABLE said AS SELECT ? || range AS word FROM range(9999)", [SENTINEL]
        )
    with closing(sqlite3.connect(tmp_path / "two.db")) as opened:
        opened.execute("CREATE TABLE said (word BLOB)")
        opened.execute("INSERT INTO said VALUES (?)", [zlib.compress(SENTINEL.encode())])
        opened.commit()
    found = {place.rsplit("/", 1)[-1] for place in search(tmp_path, {})}
    assert found == {"one.duckdb", "two.db"}


def test_no_failure_path_of_a_key_in_the_query_leaves_a_trace_of_it(
    tmp_path, capfd, everything_said
):
    home = tmp_path / "home"
    with EchoingServer(key=SENTINEL) as server:
        publish_spot(server)
        server.publisher.now = FIRST_NIGHT
        for number, traps in enumerate(PATHS):
            server.traps = dict(traps)
            one = eia_installation(home, server)
            one.night(FIRST_NIGHT + timedelta(days=number))
        server.traps, server.key = {}, "another key"
        one.night(FIRST_NIGHT + timedelta(days=99))
        assert one.errors() == {"RejectedCredential"}
        assert len(server.requests) > len(PATHS)
    spoken = capfd.readouterr()
    texts = {"log": everything_said.getvalue(), "out": spoken.out, "err": spoken.err}
    texts["landed"] = repr(one.landed) + repr(one.reports) + repr(one.key)
    assert search(home, texts) == []
    assert any(path.name == "manifest.jsonl" for path in home.rglob("*"))


def test_the_key_echoed_by_the_service_is_masked_in_place(tmp_path):
    with EchoingServer(key=SENTINEL) as server:
        publish_spot(server)
        server.publisher.now = FIRST_NIGHT
        one = eia_installation(tmp_path / "home", server)
        one.night(FIRST_NIGHT)
        (response, *_) = one.ledger.responses("eia")
        body = one.ledger.body(response)
        assert b'"api_key":"***' in body
        assert response.masked != "[]"
        assert one.problem() == ""


def test_a_key_echoed_in_a_row_is_masked_before_the_row_is_read(tmp_path):
    with EchoingServer(key=SENTINEL) as server:
        publish_spot(server)
        day = max(period for _, _, period, _ in server.publisher.events)
        server.publisher.publish(FIRST_NIGHT, "RWTC", day, SENTINEL)
        server.publisher.now = FIRST_NIGHT
        one = eia_installation(tmp_path / "home", server)
        one.night(FIRST_NIGHT)
    (row,) = one.table("quarantine.row").iter_rows(named=True)
    assert set(row["value"]) == {"*"}
    assert search(tmp_path, {"reports": repr(one.landed)}) == []


def test_a_refused_header_token_leaves_no_trace(tmp_path, capfd, everything_said):
    with CftcServer() as server:
        one = cftc_installation(tmp_path / "home", server, token=SENTINEL)
        one.night(FIRST_NIGHT)
        assert one.landed.notices
    spoken = capfd.readouterr()
    texts = {"log": everything_said.getvalue(), "out": spoken.out, "err": spoken.err}
    assert search(tmp_path / "home", texts | {"notices": repr(one.landed)}) == []


@pytest.mark.parametrize("bad", ["two words", "line\nbreak", "ключ"])
def test_a_key_that_is_no_key_is_refused_before_it_is_sent_and_not_shown(tmp_path, server, bad):
    one = eia_installation(tmp_path / "home", server, key=bad)
    one.night(FIRST_NIGHT)
    assert one.errors() == {"RejectedCredential"}
    assert server.requests == []
    assert bad not in one.problem()


class Breaking(httpx.BaseTransport):
    """Fails with the signed request in the exception's own words."""

    def handle_request(self, request):
        raise httpx.ConnectError(f"cannot reach {request.url}", request=request)


def test_an_exception_that_names_the_signed_address_is_masked_and_not_chained(server):
    feed = eia_installation(None, server).feed
    patience = Patience(attempts=1, total=1.0)
    with (
        Client(feed, SecretStr(SENTINEL), patience, Breaking()) as client,
        pytest.raises(FeedError) as caught,
    ):
        client.get(feed.asked.probe)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not [needle for needle in spellings(SENTINEL) if needle.decode() in shown]


def test_a_key_is_never_sent_in_the_clear_to_another_machine(server):
    from cbi_pipeline.feeds import eia

    with pytest.raises(ValueError, match="is not https"):
        Client(eia.source("http://api.eia.gov/v2"), SecretStr("k" * 40))
