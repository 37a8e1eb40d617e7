"""A marked key, the ways it can be spelt, and the search for them."""

import base64
import gzip
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb

from tests.feed_servers.eia_server import EiaServer

SENTINEL = "SENTINEL/4f9a+key=Zq7~%41tail"
PATHS = [
    {},
    {"error_429": 99},
    {"error_500": 99},
    {"html_200": 99},
    {"slow": 99},
    {"truncated": 99},
    {"hangup": 99},
    {"cut": 99},
    {"huge": 99},
    {"elsewhere": 99},
    {"retyped": 99},
    {"filter_ignored": 99},
    {"old_500": 99},
    {"cap": 99},
    {"echo_location": 99},
]


def spellings(secret: str) -> list[bytes]:
    plain = {secret, quote(secret, safe=""), quote_plus(secret), quote(secret)}
    plain |= {one.lower() for one in plain} | {secret.replace("/", "\\/")}
    found = [one.encode() for one in plain]
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + secret.encode())
        found.append(coded[4:-4])
        found.append(base64.urlsafe_b64encode(b"\0" * shift + secret.encode())[4:-4])
    return found


class EchoingServer(EiaServer):
    """Puts the key it was sent wherever a careless service could."""

    def answer(self, asked):
        reply = super().answer(asked)
        if self.springs("echo_location"):
            key = quote(asked.one("api_key") or "", safe="")
            reply.status = 302
            reply.headers["Location"] = f"http://elsewhere.invalid/?api_key={key}"
        reply.headers["ETag"] = f'"{asked.one("api_key")}"'
        return reply


def search(home, texts):
    """Where the key stands below a folder or in texts, databases opened and unpacked."""
    needles = spellings(SENTINEL)
    places = [(path, body) for path in home.rglob("*") if path.is_file() for body in bodies(path)]
    places += [(name, text.encode()) for name, text in texts.items()]
    return [str(place) for place, body in places for needle in needles if needle in body]


def bodies(path: Path) -> Iterator[bytes]:
    """A file as it lies, and what a database or a compressed file holds."""
    body = path.read_bytes()
    yield body
    if body.startswith(b"SQLite format 3"):
        yield from sqlite_cells(path)
    elif path.suffix == ".duckdb":
        yield from duckdb_tables(path)
    elif body.startswith(b"\x1f\x8b"):
        yield gzip.decompress(body)


def sqlite_cells(path: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as opened:
        tables = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in opened.execute(f'SELECT * FROM "{table}"'):
                for cell in row:
                    if isinstance(cell, bytes):
                        # Dagster keeps its snapshots deflated.
                        yield zlib.decompress(cell) if cell[:1] == b"\x78" else cell
                    elif isinstance(cell, str):
                        yield cell.encode()


def duckdb_tables(path: Path) -> Iterator[bytes]:
    with duckdb.connect(path, read_only=True) as opened:
        tables = opened.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_type = 'BASE TABLE'"
        ).fetchall()
        for schema, table in tables:
            rows = opened.execute(f'SELECT to_json(t)::VARCHAR FROM "{schema}"."{table}" AS t')
            yield "\n".join(text for (text,) in rows.fetchall()).encode()
