"""A server on loopback that writes whatever bytes a test wants, as slowly or as long as it wants.

What a well-behaved HTTP library would never send lives here: the rest is in ``server``.
"""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, repeat

PAUSE = 0.02


class RawServer:
    """Answers every request with ``script()``: pieces to send, None for a pause."""

    def __init__(self, script: Callable[[], Iterator[bytes | None]]):
        self._script = script
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.requests = 0

    @property
    def url(self):
        return f"{self.base}/v2"

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._socket.close()

    def _serve(self):
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        # The client leaves in the middle of most of these.
        with connection, suppress(OSError):
            while b"\r\n\r\n" not in connection.recv(65536):
                pass
            self.requests += 1
            for piece in self._script():
                if self._over.is_set():
                    return
                if piece is None:
                    time.sleep(PAUSE)
                else:
                    connection.sendall(piece)


def head(*lines, status="200 OK"):
    return "\r\n".join(
        [
            f"HTTP/1.1 {status}",
            "Content-Type: application/json",
            "Connection: close",
            *lines,
            "",
            "",
        ]
    ).encode()


def whole(body: bytes, *lines, status="200 OK"):
    """A script that sends one answer."""
    return lambda: iter([head(f"Content-Length: {len(body)}", *lines, status=status), body])


def trickled(begin: bytes, piece: bytes):
    """A script that sends a piece after each pause, for ever."""
    return lambda: chain([begin], chain.from_iterable(repeat((None, piece))))


def chunked(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def zipped(plain: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(plain, mtime=0)
    if coding == "raw deflate":
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return packer.compress(plain) + packer.flush()
    return zlib.compress(plain, 9)


def empty_blocks(number: int) -> bytes:
    """A gzip stream that stores nothing, again and again, and never ends."""
    return gzip.compress(b"", mtime=0)[:10] + b"\x00\x00\x00\xff\xff" * number


EMPTY_MEMBER = gzip.compress(b"", mtime=0)
