"""Sign requests below httpx's own logging, so that no log line or error ever sees a key."""

from __future__ import annotations

import logging
import ssl
from functools import cache
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from pydantic import SecretStr

from cbi_pipeline.feeds.live import Credential


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


def network(base: str) -> httpx.BaseTransport:
    """The real network: certificates verified, the machine's proxy honoured.

    Raises:
        ValueError: the address is not encrypted and leaves this machine.
    """
    parts = urlsplit(base)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError(f"{base} is not https; keys are never sent in the clear")
    # The wire log would show signed addresses to anyone who turns on debug logging.
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    return httpx.HTTPTransport(verify=_trusted(), proxy=proxy)


@cache
def _trusted() -> ssl.SSLContext:
    # Reading every certificate takes longer than asking a service.
    return httpx.create_ssl_context()
