"""Requests on their way out and bytes on their way in: signed, masked, bounded in time and size.

A key is added below httpx's own logging, so that no log line or error ever sees it. A time limit
of httpx is one of silence: a header that comes byte by byte, or interim answers without end, would
keep it waiting for ever before there is a body to look at. Here every single read and write of a
connection ends with the deadline at the latest. A few kilobytes can unpack to gigabytes, and packed
once more they fit a kilobyte: so a limit of size holds for what arrives and for what every layer of
packing gives, and the deadline is looked at with each piece of either.
"""

from __future__ import annotations

import json
import logging
import math
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from urllib.parse import quote, quote_plus, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx
from pydantic import SecretStr

from cbi_pipeline.feeds import RejectedCredential
from cbi_pipeline.feeds.source import Credential
from cbi_pipeline.ledger import mask

#: What a request offers to unpack; any other coding is refused.
ACCEPTED = "gzip, deflate"
_PIECE = 2**16
#: A service packs once; a proxy on the way might do so again.
_LAYERS = 2


class BodyTooLarge(Exception):
    """More bytes than may be kept, as they came or unpacked."""


class BodyUnreadable(Exception):
    """Bytes that do not unpack as the answer says they do."""


class Deadline:
    """The instant after which nothing more is read of an answer.

    Attributes:
        at: on the clock of ``time.monotonic``.
    """

    def __init__(self) -> None:
        self.at = math.inf

    def count_down(self) -> float:
        """Seconds until then; none or fewer once it is past."""
        return self.at - time.monotonic()

    def cut(self, timeout: float | None) -> float | None:
        """A time limit that ends with the deadline at the latest; None where there is neither.

        Raises:
            httpx.ReadTimeout: it is past.
        """
        left = self.count_down()
        if left <= 0:
            raise httpx.ReadTimeout("the answer did not end in time")
        limit = min(left, math.inf if timeout is None else timeout)
        return None if limit == math.inf else limit


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.cut(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.cut(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        limit = self._deadline.cut(timeout)
        inner = self._inner.start_tls(ssl_context, server_hostname, limit)
        return _TimedStream(inner, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class TimedBackend(httpcore.NetworkBackend):
    """Opens connections on which no single piece, however small, moves the deadline.

    Args:
        inner: what opens them.
        deadline: when they end.
    """

    def __init__(self, inner: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Open a connection; as the backend that does it."""
        limit = self._deadline.cut(timeout)
        inner = self._inner.connect_tcp(host, port, limit, local_address, socket_options)
        return _TimedStream(inner, self._deadline)


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
        return self._inner.handle_request(self._sign(request))

    def close(self) -> None:
        """Close the transport that does the work."""
        self._inner.close()

    def _sign(self, request: httpx.Request) -> httpx.Request:
        if self._credential is None or self._secret is None:
            return request
        key, url, headers = self._secret.get_secret_value(), request.url, request.headers.copy()
        if self._credential.location == "header":
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
        super().__init__(verify=_load_certificates(), proxy=_proxy(base))
        # The seam is one of the pool; httpx has no parameter that hands it on.
        backend = TimedBackend(self._pool._network_backend, deadline)
        self._pool._network_backend = backend


def open_network(base: str, deadline: Deadline) -> httpx.BaseTransport:
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


def describe_unreachable(error: Exception, base: str) -> str:
    """What kept an answer from coming, in words, with the error as it came."""
    raw = f"{type(error).__name__}: {error}"
    if not isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return raw
    proxy = _proxy(base)
    by = f"{_host(base)} could not be reached" + (f" by the proxy {_host(proxy)}" if proxy else "")
    if find_failed_lookup(error) is not None:
        return (
            f"{by}: the name {_host(proxy or base)} does not resolve; is there a network? ({raw})"
        )
    return f"{by}; is there a network, and does it let us through? ({raw})"


def find_failed_lookup(error: BaseException | None) -> socket.gaierror | None:
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
def _load_certificates() -> ssl.SSLContext:
    # Reading every certificate takes longer than asking a service.
    return httpx.create_ssl_context()


def require_key(feed: str, setting: str, secret: SecretStr | None) -> SecretStr | None:
    """The key without surrounding blanks; None when it is not set or empty.

    Raises:
        RejectedCredential: it holds characters that no key has.
    """
    if secret is None or not (key := secret.get_secret_value().strip()):
        return None
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise RejectedCredential(
            feed, f"{setting} holds blanks or characters no key has", f"Copy {setting} again"
        )
    return SecretStr(key)


def list_spellings(secret: SecretStr | None) -> tuple[str, ...]:
    """Every way a service may spell the key back to us, beyond those the ledger knows."""
    if secret is None:
        return ()
    key = secret.get_secret_value()
    encoded = {quote(key, safe=""), quote_plus(key), quote(key)}
    escaped = {json.dumps(key)[1:-1], json.dumps(key)[1:-1].replace("/", "\\/")}
    return tuple(sorted({key} | encoded | {text.lower() for text in encoded} | escaped))


def redact(text: str, secrets: tuple[str, ...]) -> str:
    """The text with every spelling of the secrets masked."""
    return mask(text.encode(), secrets).body.decode(errors="replace")


def unpack_body(
    raw: Iterable[bytes], codings: str, limit: int, check_time: Callable[[], None]
) -> bytes:
    """The body of an answer as its service wrote it.

    Args:
        raw: the bytes as they come.
        codings: value of its ``Content-Encoding``.
        limit: most bytes of the body, and of every step on the way to it.
        check_time: called with every piece; raises when time is up.

    Raises:
        BodyTooLarge: the limit is passed; nothing beyond it was unpacked.
        BodyUnreadable: the coding was not offered, or the bytes do not keep it.
    """
    pieces = _limit(raw, limit, check_time)
    for name in reversed(_codings(codings)):
        pieces = _limit(_inflate(pieces, name), limit, check_time)
    return b"".join(pieces)


def _codings(codings: str) -> list[str]:
    names = [name.strip().lower().removeprefix("x-") for name in codings.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    strange = [name for name in names if name not in ("gzip", "deflate")]
    if strange:
        raise BodyUnreadable(f"packed as {strange[0][:40]!r}, which was not asked for")
    if len(names) > _LAYERS:
        raise BodyUnreadable(f"packed {len(names)} times over")
    return names


def _limit(pieces: Iterable[bytes], limit: int, check_time: Callable[[], None]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        check_time()
        size += len(piece)
        if size > limit:
            raise BodyTooLarge
        yield piece


def _inflate(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    packer: zlib._Decompress | None = None
    for piece in pieces:
        rest, full = piece, False
        while rest or full:
            if packer is None or packer.eof:
                packer = zlib.decompressobj(_window(name, rest))
            try:
                plain = packer.decompress(rest, _PIECE)
            except zlib.error as error:
                raise BodyUnreadable(f"no valid {name} ({error})") from error
            # An empty piece is passed on too: whoever counts time has to hear of it.
            yield plain
            rest, full = packer.unconsumed_tail or packer.unused_data, len(plain) == _PIECE
            full = full and not packer.eof
    if packer is not None and not packer.eof:
        raise BodyUnreadable(f"{name} that breaks off")


def _window(name: str, begin: bytes) -> int:
    if name == "gzip":
        return zlib.MAX_WBITS | 16
    # Half the servers of the world leave out the two bytes that mark a zlib stream.
    return zlib.MAX_WBITS if begin[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
