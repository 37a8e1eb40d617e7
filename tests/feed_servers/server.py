"""A real HTTP server on loopback with the faults that any service shows."""

import gzip
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

HTML = b"<!DOCTYPE html><html><body><h1>Scheduled maintenance</h1></body></html>"
HUGE = gzip.compress(b" " * 12_000_000)


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Asked:
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]

    def one(self, name, default=None):
        return next((value for key, value in self.query if key == name), default)

    def every(self, name):
        return [value for key, value in self.query if key == name]


class FeedServer:
    """Serves ``answer(asked)``; ``traps`` maps a fault's name to how often it still happens.

    Faults of any service: ``error_429``, ``error_429_soon`` (Retry-After: 0), ``error_429_late``
    (Retry-After: an hour), ``error_500``, ``error_503``, ``html_200``, ``slow`` (stalls in the
    body), ``truncated`` (fewer bytes than announced), ``cut`` (valid length, cut JSON), ``huge``
    (a body that unpacks to more than it should), ``elsewhere`` (redirect to another host),
    ``moved`` (redirect on the same host), ``hangup`` (closes without an answer).
    """

    #: The hour that every server gives in its answers; None is the real one, ``NO_HOUR`` none.
    hour: datetime | None = None
    NO_HOUR = datetime.max

    def __init__(self):
        self.traps: dict[str, int] = {}
        self.requests: list[Asked] = []
        handler = type("Handler", (_Handler,), {"feed_server": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def springs(self, trap: str) -> bool:
        left = self.traps.get(trap, 0)
        if left > 0:
            self.traps[trap] = left - 1
        return left > 0

    def refused_429(self) -> Reply:
        return Reply(429, b'{"error":{"code":"OVER_RATE_LIMIT","message":"slow down"}}')

    def spoiled(self, asked: Asked) -> Reply:
        """The answer, after the faults of any service."""
        for trap, wait in (
            ("error_429", None),
            ("error_429_soon", "0"),
            ("error_429_late", "3600"),
        ):
            if self.springs(trap):
                reply = self.refused_429()
                reply.headers = {"Retry-After": wait} if wait else {}
                return reply
        for trap, status in (("error_500", 500), ("error_503", 503)):
            if self.springs(trap):
                return Reply(status, HTML, "text/html")
        if self.springs("html_200"):
            return Reply(200, HTML, "text/html; charset=utf-8")
        if self.springs("elsewhere"):
            return Reply(302, b"", headers={"Location": f"http://localhost:1{asked.path}"})
        if self.springs("moved"):
            query = "&".join(f"{key}={value}" for key, value in asked.query)
            return Reply(307, b"", headers={"Location": f"{asked.path}?{query}"})
        if self.springs("huge"):
            return Reply(200, HUGE, headers={"Content-Encoding": "gzip"})
        return self.answer(asked)


class _Handler(BaseHTTPRequestHandler):
    feed_server: FeedServer
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, parts = self.feed_server, urlsplit(self.path)
        asked = Asked(
            parts.path,
            parse_qsl(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
        )
        server.requests.append(asked)
        if server.springs("hangup"):
            self.close_connection = True
            return
        with suppress(ConnectionError):  # the client may have had enough
            self._send(server, server.spoiled(asked))

    def _send(self, server, reply):
        body = reply.body
        if reply.status == 200 and server.springs("cut"):
            body = body[: len(body) // 2]
        self.send_response_only(reply.status)
        if FeedServer.hour != FeedServer.NO_HOUR:
            hour = FeedServer.hour.timestamp() if FeedServer.hour else None
            self.send_header("Date", self.date_time_string(hour))
        self.send_header("Content-Type", reply.kind)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if reply.status == 200 and server.springs("truncated"):
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif reply.status == 200 and server.springs("slow"):
            self.wfile.write(body[:10])
            self.wfile.flush()
            time.sleep(0.6)
            self.close_connection = True
        else:
            self.wfile.write(body)

    def log_message(self, *args):
        pass
