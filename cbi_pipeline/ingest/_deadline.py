"""One instant after which nothing more is sent or read, whatever still trickles in.

A time limit of httpx is one of silence: a header that comes byte by byte, or interim answers
without end, would keep it waiting for ever before there is a body to look at. Here every single
read and write of a connection ends with the deadline at the latest.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterable
from typing import Protocol

import httpx


class Deadline:
    """The instant after which nothing more is read of an answer.

    Attributes:
        at: on the clock of ``time.monotonic``.
    """

    def __init__(self) -> None:
        self.at = math.inf

    def left(self) -> float:
        """Seconds until then; none or fewer once it is past."""
        return self.at - time.monotonic()

    def cut(self, timeout: float | None) -> float | None:
        """A time limit that ends with the deadline at the latest; None where there is neither.

        Raises:
            httpx.ReadTimeout: it is past.
        """
        left = self.left()
        if left <= 0:
            raise httpx.ReadTimeout("the answer did not end in time")
        limit = min(left, math.inf if timeout is None else timeout)
        return None if limit == math.inf else limit


class Stream(Protocol):
    """What httpx's pool of connections reads from and writes to."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes: ...
    def write(self, buffer: bytes, timeout: float | None = None) -> None: ...
    def close(self) -> None: ...
    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Stream: ...
    def get_extra_info(self, info: str) -> object: ...


class Backend(Protocol):
    """What httpx's pool of connections opens them with."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[tuple[int, int, int]] | None = None,
    ) -> Stream: ...


class _TimedStream:
    def __init__(self, inner: Stream, deadline: Deadline) -> None:
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
    ) -> Stream:
        limit = self._deadline.cut(timeout)
        inner = self._inner.start_tls(ssl_context, server_hostname, limit)
        return _TimedStream(inner, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class TimedBackend:
    """Opens connections on which no single piece, however small, moves the deadline.

    Args:
        inner: what opens them.
        deadline: when they end.
    """

    def __init__(self, inner: Backend, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[tuple[int, int, int]] | None = None,
    ) -> Stream:
        """Open a connection; as the backend that does it."""
        limit = self._deadline.cut(timeout)
        inner = self._inner.connect_tcp(host, port, limit, local_address, socket_options)
        return _TimedStream(inner, self._deadline)
