"""Answers made to exhaust or to crash whoever reads them, from a real server on loopback.

Each is bounded in time and memory, becomes a fault with the feed's name, and the night goes on.
"""

import json
import threading
import tracemalloc
from dataclasses import replace
from datetime import date, timedelta

import pytest
from pydantic import SecretStr

from cbi_pipeline import ingest
from cbi_pipeline.feeds import (
    FeedError,
    FeedUnavailable,
    IncompleteResponse,
    UnexpectedShape,
    eia,
)
from cbi_pipeline.feeds.eia_series import SERIES
from cbi_pipeline.ingest._client import Client, Patience
from tests.feed_servers.cftc_server import CftcServer, report_row
from tests.feed_servers.conftest import FIRST_NIGHT
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import (
    HASTY,
    Installation,
    cftc_installation,
    eia_installation,
    unhurried,
)
from tests.feed_servers.raw_server import (
    EMPTY_MEMBER,
    RawServer,
    chunked,
    empty_blocks,
    head,
    trickled,
    whole,
    zipped,
)
from tests.feed_servers.server import Reply

#: Silence is allowed for far longer than the whole answer is.
SHORT = Patience(read=20.0, total=0.5, attempts=2, first_wait=0.01, size=1_000_000)
PLAIN = b'{"response":{"total":"0","data":[],"frequency":"daily"}}'
CHUNKED = "Transfer-Encoding: chunked"
GZIPPED = "Content-Encoding: gzip"
LIMIT = SHORT.size


def asked(script, patience=SHORT, url="/"):
    """The answer to one question, or the fault it comes to, within a minute."""
    outcome = []

    def ask():
        feed = eia.source(server.url)
        with Client(feed, SecretStr("k" * 40), patience) as client:
            try:
                outcome.append(client.get(feed.asked.probe)[0])
            except FeedError as error:
                outcome.append(error)

    with RawServer(script) as server:
        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(60)
    assert outcome, "the client still waits"
    return outcome[0]


ENDLESS = {
    "a header byte by byte": trickled(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
    "a status line byte by byte": trickled(b"HTTP/1.1 2", b"0"),
    "header after header": trickled(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
    "100 Continue": trickled(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103 Early Hints": trickled(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "a body byte by byte": trickled(head(CHUNKED), chunked(b" ")),
    "a chunk's size byte by byte": trickled(head(CHUNKED), b"0"),
    "gzip that stores nothing": trickled(
        head(CHUNKED, GZIPPED) + chunked(empty_blocks(0)), chunked(b"\x00\x00\x00\xff\xff")
    ),
    "empty gzip members": trickled(head(CHUNKED, GZIPPED), chunked(EMPTY_MEMBER)),
    "empty gzip members in gzip": trickled(
        head(CHUNKED, "Content-Encoding: gzip, gzip"), chunked(zipped(EMPTY_MEMBER, "gzip"))
    ),
}


@pytest.mark.parametrize("script", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_without_end_ends_with_the_deadline(script):
    error = asked(script)
    assert isinstance(error, FeedUnavailable)
    assert error.feed == "eia"
    assert "in time" in error.problem


BOMB = b" " * 200_000_000
BOMBS = {
    "gzip": ("gzip", zipped(BOMB, "gzip")),
    "x-gzip": ("x-gzip", zipped(BOMB, "gzip")),
    "zlib": ("deflate", zipped(BOMB, "deflate")),
    "deflate": ("deflate", zipped(BOMB, "raw deflate")),
    "gzip in gzip": ("gzip, gzip", zipped(zipped(BOMB, "gzip"), "gzip")),
    "zlib in gzip": ("deflate, gzip", zipped(zipped(BOMB, "deflate"), "gzip")),
    "gzip of empty blocks in gzip": ("gzip, gzip", zipped(empty_blocks(5_000_000), "gzip")),
    "plain": ("identity", b" " * (LIMIT + 1)),
    "many members": ("gzip", EMPTY_MEMBER * (LIMIT // len(EMPTY_MEMBER) + 1)),
}


@pytest.mark.parametrize(("coding", "body"), BOMBS.values(), ids=BOMBS)
def test_what_unpacks_to_more_than_may_be_kept_is_refused_at_the_limit(coding, body):
    tracemalloc.start()
    error = asked(whole(body, f"Content-Encoding: {coding}"), replace(SHORT, total=30.0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(error, IncompleteResponse)
    assert f"larger than {LIMIT} bytes" in error.problem
    assert peak < 10 * LIMIT


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br", "gzip, gzip, gzip, gzip"])
def test_a_coding_that_was_not_offered_is_refused_in_words(coding):
    error = asked(whole(b"\x1b\x00" * 1000, f"Content-Encoding: {coding}"))
    assert isinstance(error, FeedUnavailable)
    assert "packed" in error.problem


HONEST = {
    "gzip": ("gzip", zipped(PLAIN, "gzip")),
    "in capitals": ("GZIP", zipped(PLAIN, "gzip")),
    "two members": ("gzip", zipped(PLAIN[:9], "gzip") + zipped(PLAIN[9:], "gzip")),
    "zlib": ("deflate", zipped(PLAIN, "deflate")),
    "deflate": ("deflate", zipped(PLAIN, "raw deflate")),
    "gzip in gzip": ("gzip, gzip", zipped(zipped(PLAIN, "gzip"), "gzip")),
    "gzip and nothing": ("gzip, identity", zipped(PLAIN, "gzip")),
    "nothing": ("", PLAIN),
}


@pytest.mark.parametrize(("coding", "body"), HONEST.values(), ids=HONEST)
def test_an_honestly_packed_answer_is_read(coding, body):
    assert asked(whole(body, f"Content-Encoding: {coding}")).body == PLAIN


@pytest.mark.parametrize(
    "body", [b"no gzip at all", zipped(PLAIN, "gzip")[:-12]], ids=["none", "cut"]
)
def test_a_body_that_does_not_keep_its_coding_is_a_fault(body):
    error = asked(whole(body, GZIPPED))
    assert isinstance(error, FeedUnavailable)
    assert "gzip" in error.problem


@pytest.mark.parametrize(
    "text",
    [
        *("²", "٣", "-1", "1e3", "nan", ",", "9" * 400, "0001-01-01"),
        "Mon, 99 Jan 99999 00:00:00 GMT",
        "Mon, 1 Jan 2024 00:00:00 +9999",
        "Thu, 01 Jan 1970 00:00:00 -99999999999",
    ],
)
def test_a_retry_after_that_says_nothing_is_no_crash(text):
    lines = [b"HTTP/1.1 429 No", b"Content-Length: 2", b"Retry-After: " + text.encode(), b"", b"{}"]
    answer = asked(lambda: iter([b"\r\n".join(lines)]))
    assert answer.status == 429


@pytest.mark.parametrize("where", ["//[", "http://[::1", "http://a:99999/", "http://a:b/", "\x7f"])
def test_a_redirect_to_what_is_no_address_is_a_fault(where):
    error = asked(whole(b"", f"Location: {where}", status="302 Found"))
    assert isinstance(error, FeedError)


def page(value: bytes = b'"1.0"', **head_):
    row = b'{"period":"2020-01-03","series":"RWTC","units":"$/BBL","value":' + value + b"}"
    told = {"total": b'"1"', "frequency": b'"daily"'} | head_
    members = [b'"%s":%s' % (name.encode(), text) for name, text in told.items()]
    return b'{"response":{' + b",".join([*members, b'"data":[' + row + b"]"]) + b"}}"


DEEP = 200_000
CRASHING = {
    "half a character": page(b'"\\ud800"'),
    "the other half": page(b'"1.0\\uDFFF"'),
    "half a character, raw": page(b'"\xed\xa0\x80"'),
    "no UTF-8": page(b'"\xff\xfe"'),
    "half a character as a name": page(b'"1","\\udc00":1'),
    "half a character in a warning": page(warnings=b'["\\ud800"]'),
    "half a character as frequency": page(frequency=b'"\\ud800"'),
    "half a character in an error": b'{"error":"\\ud800","code":400}',
    "brackets": b"[" * DEEP,
    "braces": b'{"a":' * DEEP,
    "brackets in a value": page(b"[" * DEEP + b"]" * DEEP),
    "brackets in an error": b'{"error":' + b"[" * DEEP,
    "a total without end": page(total=b"1e999"),
    "a total that is a list": page(total=b"[1]"),
    "a total of digits": page(total=b'"' + b"9" * 5000 + b'"'),
    "a total in other digits": page(total=b'"\xc2\xb2"'),
    "warnings that are a number": page(warnings=b"5"),
    "warnings that are an object": page(warnings=b'{"a":1}'),
    "a number of 5000 digits": page(b"9" * 5000),
    "rows that are null": b'{"response":{"total":"1","frequency":"daily","data":[null]}}',
    "no response": b'{"response":null}',
    "a list": b"[]",
    "a scalar in a list": b"[1]",
    "a frequency that is a list": page(frequency=b"[1]"),
}


class Answering(EiaServer):
    body = b""

    def answer(self, asked):
        return Reply(200, self.body)


@pytest.mark.parametrize("body", CRASHING.values(), ids=CRASHING)
def test_an_answer_that_no_decoder_takes_is_a_fault_with_the_feeds_name(tmp_path, body):
    with Answering() as server:
        server.body = body
        one = eia_installation(tmp_path / "home", server)
        one.night(FIRST_NIGHT)
        assert one.problem().startswith("eia")
        one.problem().encode()
        server.body = page(b'"63.05"')
        one.night(FIRST_NIGHT + timedelta(days=1))
        assert one.problem() == "", "a good answer heals it"


MARKET = "legacy", "067651"
OPEN_INTEREST = "CFTC.legacy.067651.open_interest_all"
REPORT = date(2020, 5, 26)
SCHEMA = {"X-SODA2-Fields": "[]", "X-SODA2-Types": "[]"}


def reports(**changed):
    row = {"id": f"{REPORT:%y%m%d}067651F", "futonly_or_combined": "FutOnly"}
    row |= {"report_date_as_yyyy_mm_dd": f"{REPORT}T00:00:00.000"}
    row |= {"cftc_contract_market_code": "067651", "cftc_market_code": "NYME"}
    row |= {name: str(cell) for name, cell in report_row("legacy").items()} | changed
    return json.dumps([row]).encode()


REPORTS = {
    "half a character": (reports(open_interest_all="\ud800"), {}),
    "half a character as a name": (reports(**{"\udc00": "1"}), {}),
    "half a character, raw": (reports(cftc_market_code="~").replace(b"~", b"\xed\xa0\x80"), {}),
    "half a character as a market": (reports(cftc_contract_market_code="\ud800"), {}),
    "half a character in a refusal": (b'{"message":"\\ud800","error":true}', {}),
    "a date that is a list": (reports(report_date_as_yyyy_mm_dd=[1]), {}),
    "a date that is an object": (reports(report_date_as_yyyy_mm_dd={"a": 1}), {}),
    "a market that is a list": (reports(cftc_contract_market_code=["067651"]), {}),
    "a number of 400 digits": (reports(open_interest_all="9" * 400), {}),
    "a number in other digits": (reports(open_interest_all="\u0663"), {}),
    "a number that is an object": (reports(open_interest_all={"a": [1]}), {}),
    "brackets": (b"[" * DEEP, {}),
    "braces in a row": (b'[{"a":' + b'{"a":' * DEEP, {}),
    "brackets in a refusal": (b'{"message":' + b"[" * DEEP, {}),
    "headers that are no JSON": (reports(), SCHEMA | {"X-SODA2-Fields": "[truncated"}),
    "headers of other lengths": (reports(), SCHEMA | {"X-SODA2-Types": '["text"]'}),
    "headers that are a number": (reports(), SCHEMA | {"X-SODA2-Fields": "5"}),
    "headers of brackets": (reports(), SCHEMA | {"X-SODA2-Fields": "[" * 40_000}),
    "a header without the other": (reports(), {"X-SODA2-Fields": "[]"}),
    "rows that are numbers": (b"[1]", {}),
    "rows that are null": (b"[null]", {}),
}


class Reporting(CftcServer):
    body, schema = b"", {}

    def answer(self, asked):
        return Reply(200, self.body, headers=self.schema)


@pytest.mark.parametrize(("body", "schema"), REPORTS.values(), ids=REPORTS)
def test_a_report_that_no_decoder_takes_is_a_fault_with_the_feeds_name(tmp_path, body, schema):
    with Reporting() as server:
        server.body, server.schema = body, schema
        one = cftc_installation(tmp_path / "home", server)
        one.night(FIRST_NIGHT)
        assert one.problem().startswith("cftc")
        one.problem().encode()


@pytest.mark.parametrize(
    "count", ['"\u00b2"', "1e999", "null", "[]", '"' + "9" * 5000 + '"', '"\ud800"']
)
def test_a_count_that_is_no_number_is_a_fault_with_the_feeds_name(tmp_path, count):
    class Counting(CftcServer):
        def answer(self, asked):
            counts = asked.one("$select") == "count(*)"
            return (
                Reply(200, f'[{{"count":{count}}}]'.encode()) if counts else super().answer(asked)
            )

    with Counting() as server:
        text = json.dumps(report_row("legacy"))
        server.publisher.publish(FIRST_NIGHT - timedelta(days=5), MARKET, REPORT, text)
        server.publisher.now = FIRST_NIGHT
        one = cftc_installation(tmp_path / "home", server)
        one.night(FIRST_NIGHT)
        assert one.problem().startswith("cftc")


def test_a_recorded_answer_that_crashes_a_users_parser_is_told_in_words(tmp_path, monkeypatch):
    def parse(answer):
        raise ZeroDivisionError("of a user's own")

    monkeypatch.setattr(eia, "parse", lambda answer, codes: parse(answer))
    path = tmp_path / "answer.json"
    path.write_bytes(PLAIN)
    with pytest.raises(UnexpectedShape, match="ZeroDivisionError"):
        ingest.parse_file("eia", path)


class HalfBroken(EiaServer):
    """One of its routes sends what crashes a decoder."""

    def answer(self, asked):
        if "stoc" in asked.path:
            return Reply(200, page(b'"\\ud800"'))
        return super().answer(asked)


def test_the_other_pulls_of_a_night_are_used_beside_one_that_crashes_a_decoder(tmp_path):
    from tests.feed_servers.conftest import publish_spot

    with HalfBroken() as server:
        publish_spot(server)
        server.publisher.now = FIRST_NIGHT
        series = [one for one in SERIES if one.code in ("RWTC", "WCESTUS1")]
        key = SecretStr(server.key)
        one = Installation(tmp_path / "home", unhurried(eia.source(server.url, series)), key)
        assert one.night(FIRST_NIGHT).accepted
        assert one.errors() == {"UnexpectedShape"}
        assert "no Unicode" in one.problem()


class Endless(EiaServer):
    """One of its routes has a row a page, and always one more."""

    def answer(self, asked):
        if "stoc" not in asked.path:
            return super().answer(asked)
        number = int(asked.one("offset"))
        row = {"series": "WCESTUS1", "units": "MBBL", "value": "1.0"}
        begin = date.fromisoformat(asked.one("start"))
        row["period"] = (begin + timedelta(days=number)).isoformat()
        response = {"total": "99999999", "frequency": "weekly", "data": [row]}
        return Reply(200, json.dumps({"response": response}).encode())


def test_a_pull_of_pages_without_end_ends_with_its_deadline_and_the_others_are_used(tmp_path):
    from tests.feed_servers.conftest import publish_spot

    with Endless() as server:
        publish_spot(server)
        server.publisher.now = FIRST_NIGHT
        series = [one for one in SERIES if one.code in ("RWTC", "WCESTUS1")]
        feed = unhurried(eia.source(server.url, series))
        patience = replace(HASTY, pull=1.5)
        one = Installation(tmp_path / "home", feed, SecretStr(server.key), patience)
        assert one.night(FIRST_NIGHT).accepted
        assert one.values()
        assert one.errors() == {"IncompleteResponse"}
        assert "weekly history: no end after" in one.problem()
        assert "answers in 1.5 seconds" in one.problem()


def test_a_pull_is_given_up_in_the_middle_of_an_answer_too(tmp_path):
    with RawServer(trickled(head(CHUNKED), chunked(b" "))) as server:
        feed = unhurried(eia.source(server.url, SERIES[:1]))
        patience = replace(SHORT, total=60.0, pull=0.5)
        one = Installation(tmp_path / "home", feed, SecretStr("k" * 40), patience)
        one.night(FIRST_NIGHT)
        assert one.errors() == {"IncompleteResponse"}
        assert "no end after 0 answers" in one.problem()


def test_a_users_own_parser_that_raises_is_a_fault_with_the_feeds_name(tmp_path, server):
    one = eia_installation(tmp_path / "home", server)

    def parse(answer):
        raise ZeroDivisionError(f"of {json.loads(answer.body)['request']['params']}")

    one.feed = replace(one.feed, parse=parse)
    one.night(FIRST_NIGHT)
    assert one.problem().startswith("eia")
    assert "ZeroDivisionError" in one.problem()
    assert server.key not in one.problem()


def test_a_message_of_a_service_obeys_no_terminal(tmp_path):
    with Answering() as server:
        server.body = b'{"error":"\\u001b[2Jgone","code":400}'
        one = eia_installation(tmp_path / "home", server)
        one.night(FIRST_NIGHT)
        assert "gone" in one.problem()
        assert one.problem().isprintable()
