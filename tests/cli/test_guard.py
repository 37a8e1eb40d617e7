"""What the guard before the pages lets through, asked over sockets as browsers and others do."""

import base64
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from cbi_pipeline.commands.guard import parse_address
from cbi_pipeline.commands.pages import server

MUTATION = "/graphql?query=mutation%7BwipeAssets(assetPartitionRanges:%5B%5D)%7B__typename%7D%7D"
WRITES = ("POST", "PUT", "PATCH", "DELETE")


async def pages(scope, receive, send):
    """Says what reached it."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "graphql-ws"})
        await send({"type": "websocket.close"})
        return
    body = f"{scope['method']} {scope['path']}".encode()
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    proxied = [parse_address("cbi.example.com"), parse_address("other.example.com:8443")]
    running = server(pages, 0, proxied)
    running.config.lifespan = "off"
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield running.servers[0].sockets[0].getsockname()[1]
    running.should_exit = True
    thread.join()


def sent(port: int, text: str) -> tuple[int, str]:
    """The status and all of the answer to the very bytes of a request."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode("latin-1")
    return int(answer.split(" ", 2)[1]), answer


def ask(port: int, method: str = "GET", target: str = "/", host: str = "", **headers: str) -> int:
    host = host or f"127.0.0.1:{port}"
    own = f"http://{host}"
    lines = [f"{k.replace('_', '-')}: {v.replace('OWN', own)}" for k, v in headers.items()]
    body = "content-length: 0" if method in WRITES else "accept: */*"
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", body, *lines]
    return sent(port, "\n".join(lines) + "\n\n")[0]


def open_websocket(port: int, **headers: str) -> int:
    key = base64.b64encode(os.urandom(16)).decode()
    return ask(
        port,
        target="/graphql",
        Upgrade="websocket",
        **{"Connection": "Upgrade"},
        Sec_WebSocket_Key=key,
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Protocol="graphql-ws",
        **headers,
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LocalHost:3000",
        "localhost.",
        "localhost.:3000",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:3000",
        "[0:0:0:0:0:0:0:1]:3000",
        "cbi.example.com",
        "cbi.example.com:443",
        "CBI.example.com.",
        "other.example.com:8443",
    ],
)
def test_the_machines_own_names_and_the_allowed_ones_are_answered(port, host):
    assert ask(port, host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "xlocalhost",
        "127.0.0.1@evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1, evil.example",
        "127.0.0.1 evil.example",
        "localhost..",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:3000:3000",
        "localhost:x",
        "localhost/evil",
        "0.0.0.0:3000",
        "127.0.0.2",
        "2130706433",
        "[::2]",
        "[::ffff:127.0.0.1]",
        "[::1",
        "[::1]evil",
        "::1",
        "cbi.example.com.evil.example",
        "sub.cbi.example.com",
        "cbi-example.com",
        "other.example.com",
        "other.example.com:443",
        "*",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_any_other_host_is_refused(port, host, method):
    assert ask(port, method, host=host) == 400


@pytest.mark.parametrize(
    "request_",
    [
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.0\n\n",
        "GET / HTTP/1.1\nHost:\n\n",
        "GET / HTTP/1.1\nHost: 127.0.0.1\nHost: evil.example\n\n",
        "GET / HTTP/1.1\nHost: evil.example\nHost: 127.0.0.1\n\n",
        "GET / HTTP/1.1\nHost: 127.0.0.1\nHost: 127.0.0.1\n\n",
        "GET / HTTP/1.0\nHost: 127.0.0.1\nHost: 127.0.0.1\n\n",
        "GET / HTTP/1.0\nHost: evil.example\n\n",
        "GET http://evil.example/ HTTP/1.1\nHost: 127.0.0.1\n\n",
        "GET http://127.0.0.1/ HTTP/1.1\nHost: evil.example\n\n",
        "GET http://[evil/ HTTP/1.1\nHost: 127.0.0.1\n\n",
        "GET / HTTP/1.1\nHost: evil.example\nX-Forwarded-Host: 127.0.0.1\n\n",
    ],
    ids=lambda text: text.strip().replace("\n", " | "),
)
def test_a_request_that_does_not_name_one_allowed_host_is_refused(port, request_):
    assert sent(port, request_)[0] == 400


def test_an_older_client_is_answered(port):
    status, answer = sent(port, "GET /server_info HTTP/1.0\nHost: localhost\n\n")
    assert (status, answer.rsplit("\n", 1)[1]) == (200, "GET /server_info")


def test_a_target_written_out_whole_is_the_page_of_its_path(port):
    own = f"127.0.0.1:{port}"
    status, answer = sent(
        port, f"GET http://{own}/a%20b?c=d HTTP/1.1\nHost: {own}\nConnection: close\n\n"
    )
    assert (status, answer.rsplit("\n", 1)[1]) == (200, "GET /a b")


FOREIGN = {
    "another site": {"Origin": "https://evil.example"},
    "no site": {"Origin": "null"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "no port": {"Origin": "http://127.0.0.1"},
    "another name of this machine": {"Origin": "http://localhost:3000"},
    "another scheme": {"Origin": "ftp://127.0.0.1:3000"},
    "words": {"Origin": "http://[evil"},
    "an origin beside ours": {"Origin": "OWN", "origin": "https://evil.example"},
    "a site that Fetch Metadata names": {"Sec_Fetch_Site": "cross-site"},
    "a port that Fetch Metadata names": {"Sec_Fetch_Site": "same-site"},
    "a contradiction": {"Origin": "https://evil.example", "Sec_Fetch_Site": "same-origin"},
    "another one": {"Origin": "OWN", "Sec_Fetch_Site": "cross-site"},
    "a referer alone": {"Referer": "https://evil.example/page"},
    "a referer of another port": {"Referer": "http://127.0.0.1:1/"},
    "a referer with our name as a user": {"Referer": "http://127.0.0.1:3000@evil.example/"},
}
foreign = pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)


@foreign
@pytest.mark.parametrize("method", [*WRITES, "OPTIONS", "TRACE", "PROPFIND"])
def test_another_page_may_not_write(port, method, headers):
    assert ask(port, method, "/graphql", host="127.0.0.1:3000", **headers) == 403


@foreign
def test_another_page_changes_nothing_by_an_address(port, headers):
    assert ask(port, "GET", MUTATION, host="127.0.0.1:3000", **headers) == 403


@foreign
def test_another_page_opens_no_websocket(port, headers):
    # The server itself refuses two origins, before the guard is asked.
    assert open_websocket(port, **headers) in {400, 403}


def test_a_websocket_under_another_host_is_refused(port):
    text = "GET /graphql HTTP/1.1\nHost: evil.example\nConnection: Upgrade\nUpgrade: websocket\n"
    key = "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n"
    assert sent(port, text + key)[0] == 400


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "OWN"}, {"Origin": "OWN", "Sec_Fetch_Site": "same-origin"}],
    ids=["a program", "a page of its own", "a page of its own in a newer browser"],
)
class TestOwn:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", *WRITES])
    def test_every_method_is_handed_on(self, port, method, headers):
        assert ask(port, method, "/graphql", **headers) == 200

    def test_a_websocket_opens(self, port, headers):
        assert open_websocket(port, **headers) == 101

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_an_address_changes_nothing(self, port, method, headers):
        assert ask(port, method, MUTATION, **headers) == 405

    def test_an_address_may_ask(self, port, headers):
        assert ask(port, "GET", "/graphql?query=%7Bversion%7D", **headers) == 200


@pytest.mark.parametrize(
    "target",
    [
        "/graphql?query=query%20a%7Bversion%7D%20mutation%20b%7Bx%7D&operationName=a",
        "/graphql?query=%7Bversion%7D&query=mutation%7Bx%7D",
        "/graphql?query=%23%20words%0Amutation%7Bx%7D",
        "/graphql?query=subscription%7Bx%7D",
        "/%67raphql?query=mutation%7Bx%7D",
        "/graphql/?query=mutation%7Bx%7D",
        "/graphql?qu%65ry=mutation%7Bx%7D",
        "http://127.0.0.1:3000/graphql?query=mutation%7Bx%7D",
    ],
)
def test_a_document_that_may_change_something_is_never_taken_from_an_address(port, target):
    assert ask(port, "GET", target, host="127.0.0.1:3000") == 405


@pytest.mark.parametrize("query", ["mutation", "%7B" * 5000, ""])
def test_a_document_in_an_address_that_cannot_be_read_is_refused(port, query):
    assert ask(port, "GET", f"/graphql?query={query}") == 400


LINK = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_page_may_link_here(port, site):
    assert ask(port, "GET", "/runs", Sec_Fetch_Site=site, **LINK) == 200


def test_a_link_is_followed_by_a_browser_that_says_no_more_than_where_it_comes_from(port):
    assert ask(port, "GET", "/runs", Referer="https://wiki.example/") == 200


@pytest.mark.parametrize("dest", ["iframe", "frame", "embed", "object"])
def test_another_page_may_not_show_this_one_inside_itself(port, dest):
    headers = {**LINK, "Sec_Fetch_Dest": dest}
    assert ask(port, "GET", "/runs", Sec_Fetch_Site="cross-site", **headers) == 403


@pytest.mark.parametrize("dest", ["empty", "image", "script"])
def test_another_page_may_not_read(port, dest):
    headers = {"Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": dest}
    assert ask(port, "GET", "/logs/x", Sec_Fetch_Site="same-site", **headers) == 403


def test_an_address_that_the_user_typed_is_opened(port):
    assert ask(port, "GET", "/runs", Sec_Fetch_Site="none", **LINK) == 200


def test_browsers_without_fetch_metadata_are_told_not_to_frame_the_pages(port):
    _, answer = sent(port, "GET / HTTP/1.0\nHost: localhost\n\n")
    assert "x-frame-options: SAMEORIGIN" in answer


def test_behind_a_proxy_that_speaks_https_its_own_page_may_write(port):
    proxied = {"X_Forwarded_Proto": "https", "Origin": "https://cbi.example.com"}
    assert ask(port, "POST", host="cbi.example.com", **proxied) == 200
    assert ask(port, "POST", host="cbi.example.com", **{**proxied, "Origin": "null"}) == 403


def test_under_a_proxys_name_the_page_of_another_port_may_not_write(port):
    other = {"X_Forwarded_Proto": "https", "Origin": "https://cbi.example.com:8443"}
    assert ask(port, "POST", host="cbi.example.com", **other) == 403


@pytest.mark.parametrize("text", ["http://cbi.example.com", "*", "*.example.com", "a b", "", "a:b"])
def test_a_host_to_allow_is_a_name_or_a_number_and_a_port(text):
    assert parse_address(text) is None
