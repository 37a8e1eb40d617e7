"""A service that cannot be reached: why is said in words, and nobody waits for nothing."""

import socket

import pytest
from pydantic import SecretStr

from cbi_pipeline.feeds import FeedUnavailable, eia
from cbi_pipeline.ingest._client import Client, Patience

PATIENT = Patience(first_wait=0.01, longest_wait=0.1, total=30.0, attempts=5)


def asked(base: str) -> FeedUnavailable:
    feed = eia.source(base)
    with (
        Client(feed, SecretStr("k" * 40), PATIENT) as client,
        pytest.raises(FeedUnavailable) as caught,
    ):
        client.get(feed.asked.probe)
    return caught.value


@pytest.fixture
def lookups(monkeypatch):
    """Counts look-ups of names, each of which fails with the number given."""
    counted = []

    def fail_with(number):
        def look(host, *rest, **named):
            counted.append(host)
            raise socket.gaierror(number, "no such name")

        monkeypatch.setattr(socket, "getaddrinfo", look)
        return counted

    return fail_with


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_a_name_that_nobody_knows_is_said_in_words_and_looked_up_once(lookups):
    counted = lookups(socket.EAI_NONAME)
    said = str(asked("https://api.nobody.invalid/v2"))
    assert counted == ["api.nobody.invalid"]
    assert "api.nobody.invalid could not be reached" in said
    assert "does not resolve; is there a network?" in said
    assert "ConnectError" in said


def test_a_name_server_that_cannot_answer_is_asked_once_more(lookups):
    counted = lookups(socket.EAI_AGAIN)
    assert "does not resolve" in str(asked("https://api.nobody.invalid/v2"))
    assert len(counted) == 2


def test_the_name_of_a_proxy_that_nobody_knows_is_told_from_the_service_s(lookups, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    lookups(socket.EAI_NONAME)
    said = str(asked("https://api.nobody.invalid/v2"))
    assert "by the proxy proxy.invalid: the name proxy.invalid does not resolve" in said


def test_a_service_that_refuses_the_connection_is_asked_again_and_named():
    said = str(asked("http://127.0.0.1:9/v2"))
    assert "127.0.0.1 could not be reached; is there a network" in said
    assert "refused" in said
