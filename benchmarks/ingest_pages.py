"""EIA-shaped pages on disk and a server for them, in a process of its own."""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PAGE = 5000
#: As many as one question asks for.
SERIES = 125
#: A Monday; only working days have prices.
FIRST = date(1971, 1, 4)
KEY = "benchmark-key-" + "0" * 26


def code(number: int) -> str:
    """Code of one generated series."""
    return f"BENCH{number:03d}"


def write_pages(folder: Path, rows: int) -> int:
    """Write pages of generated rows, sorted by period and series; return how many."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = -(-rows // PAGE)
    for page in range(pages):
        path = folder / f"{page:05d}.json"
        if not path.exists():
            path.write_bytes(_page(page, rows))
    return pages


def _page(page: int, rows: int) -> bytes:
    data = [_row(number) for number in range(page * PAGE, min(rows, (page + 1) * PAGE))]
    response = {"total": str(rows), "dateFormat": "YYYY-MM-DD", "frequency": "daily", "data": data}
    request = {"command": "/v2/petroleum/pri/spt/data/", "params": {"api_key": KEY}}
    content = {"response": response, "request": request, "apiVersion": "2.1.13"}
    return json.dumps(content, separators=(",", ":")).replace("/", "\\/").encode()


def _row(number: int) -> dict[str, str]:
    day, series = divmod(number, SERIES)
    weeks, weekday = divmod(day, 5)
    return {
        "period": (FIRST + timedelta(days=7 * weeks + weekday)).isoformat(),
        "duoarea": "YCUOK",
        "area-name": "NA",
        "product": "EPCWTI",
        "product-name": "WTI Crude Oil",
        "process": "PF4",
        "process-name": "Spot Price FOB",
        "series": code(series),
        "series-description": "Cushing, OK WTI Spot Price FOB (Dollars per Barrel)",
        "value": f"{20 + number % 9973 / 100:.2f}",
        "units": "$/BBL",
    }


class Handler(BaseHTTPRequestHandler):
    """Serves the page of an offset."""

    protocol_version = "HTTP/1.1"
    folder = Path()

    def do_GET(self) -> None:
        """Send one page."""
        query = parse_qs(urlsplit(self.path).query)
        page = int(query.get("offset", ["0"])[0]) // PAGE
        body = (self.folder / f"{page:05d}.json").read_bytes()
        # Without its hour: the rows reach into years to come, and so does the clock that asks.
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Handler.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
