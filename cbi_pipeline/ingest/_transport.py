"""Sign requests below httpx's own logging, so that no log line or error ever sees a key."""

from __future__ import annotations

import logging
import socket
import ssl
from functools import cache
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from pydantic import SecretStr

from cbi_pipeline.feeds.live import Credential
from cbi_pipeline.ingest._deadline import Deadline, TimedBackend


class SigningTransport(httpx.BaseTransport):
    """Adds the key to a copy of each request on its way out.

    Args:
        inner: transport that does the work.
        credential: where the service reads the key.
        secret: the key; None sends requests as they are.
    """

    def __init__(
        self, inner: httpx.BaseTransport, credential: Credential | None, secret: SecretStr | None
    ) -> None:
        self._inner = inner
        self._credential = credential
        self._secret = secret

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the signed copy; the caller's request stays unsigned."""
        return self._inner.handle_request(self._signed(request))

    def close(self) -> None:
        """Close the transport that does the work."""
        self._inner.close()

    def _signed(self, request: httpx.Request) -> httpx.Request:
        if self._credential is None or self._secret is None:
            return request
        key, url, headers = self._secret.get_secret_value(), request.url, request.headers.copy()
        if self._credential.place == "header":
            headers[self._credential.name] = key
        else:
            query = f"{self._credential.name}={quote(key, safe='')}".encode()
            url = url.copy_with(query=b"&".join(part for part in (url.query, query) if part))
        return httpx.Request(
            request.method,
            url,
            headers=headers,
            extensions=request.extensions,
            stream=httpx.ByteStream(b""),
        )


class _Network(httpx.HTTPTransport):
    """The network, within a deadline."""

    def __init__(self, base: str, deadline: Deadline) -> None:
        super().__init__(verify=_trusted(), proxy=_proxy(base))
        # The seam is one of the pool; httpx has no parameter that hands it on.
        backend = TimedBackend(self._pool._network_backend, deadline)
        self._pool._network_backend = backend  # type: ignore[assignment]


def network(base: str, deadline: Deadline) -> httpx.BaseTransport:
    """The real network: certificates verified, the machine's proxy honoured.

    Args:
        base: address of the service.
        deadline: nothing is read beyond it.

    Raises:
        ValueError: the address is not encrypted and leaves this machine.
    """
    parts = urlsplit(base)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError(f"{base} is not https; keys are never sent in the clear")
    # The wire log would show signed addresses to anyone who turns on debug logging.
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    return _Network(base, deadline)


def unreachable(error: Exception, base: str) -> str:
    """What kept an answer from coming, in words, with the error as it came."""
    raw = f"{type(error).__name__}: {error}"
    if not isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return raw
    proxy = _proxy(base)
    by = f"{_host(base)} could not be reached" + (f" by the proxy {_host(proxy)}" if proxy else "")
    if failed_lookup(error) is not None:
        return (
            f"{by}: the name {_host(proxy or base)} does not resolve; is there a network? ({raw})"
        )
    return f"{by}; is there a network, and does it let us through? ({raw})"


def failed_lookup(error: BaseException | None) -> socket.gaierror | None:
    """The look-up of a host's name that kept a connection from being made; None when it was not."""
    while error is not None and not isinstance(error, socket.gaierror):
        error = error.__cause__ or error.__context__
    return error


def _host(address: str) -> str:
    return urlsplit(address).hostname or address


def _proxy(base: str) -> str | None:
    parts = urlsplit(base)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


@cache
def _trusted() -> ssl.SSLContext:
    # Reading every certificate takes longer than asking a service.
    return httpx.create_ssl_context()
