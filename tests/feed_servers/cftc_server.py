"""The CFTC's Socrata service as a server on loopback.

Rows have the columns, the misspelt names and the padded codes of real rows (legacy futures only,
Commodity Futures Trading Commission, public domain). The refusals are written from documentation
and public notes: none was recorded.
"""

import json
import re
from datetime import date

from data_contracts.cftc import measures
from tests.feed_servers.publisher import Publisher
from tests.feed_servers.server import FeedServer, Reply

DATE, CODE = "report_date_as_yyyy_mm_dd", "cftc_contract_market_code"
SCOPE = "futonly_or_combined"
REPORTS = {"6dca-aqww": "legacy", "72hh-3qpy": "disaggregated", "gpe5-46if": "financial"}


class CftcServer(FeedServer):
    """Traps of this service beside the general ones: ``cap`` (fewer rows than there are, silently),
    ``overlap``, ``empty``, ``combined`` (rows of futures and options), ``newest_first`` (not in the
    order asked for), ``repeated`` (a report twice in the place of another), ``no_scope`` (rows do
    not say what they are of), ``filter_ignored``, ``column_removed``, ``not_ready`` (202),
    ``no_headers`` (the schema headers are left out, as for long schemas).

    The publisher's series are (report, code); its texts are JSON objects of a row's measures.
    """

    def __init__(self, token=None):
        super().__init__()
        self.token = token
        self.publisher = Publisher()

    def answer(self, asked):
        token = asked.headers.get("x-app-token")
        if token is not None and token != self.token:
            words = {"code": "permission_denied", "error": True}
            return _json(403, words | {"message": f"Invalid app_token specified: {token}"})
        dataset = asked.path.rsplit("/", 1)[-1].removesuffix(".json")
        if dataset not in REPORTS:
            return _json(404, {"code": "dataset.missing", "error": True, "message": "Not found"})
        if self.springs("not_ready"):
            return _json(202, {"code": "accepted", "message": "come again"})
        return self._rows(asked, REPORTS[dataset])

    def _rows(self, asked, report):
        rows = self._found(asked, report)
        if asked.one("$select") == "count(*)":
            return _json(200, [{"count": str(len(rows))}])
        columns = ["id", DATE, CODE, "cftc_market_code", SCOPE, *measures(report)]
        if self.springs("column_removed"):
            gone = measures(report)[-1]
            if gone in asked.one("$select", ""):
                words = {
                    "errorCode": "query.soql.no-such-column",
                    "message": f"No such column: {gone}",
                }
                return _json(400, words)
        offset, limit = int(asked.one("$offset", 0)), int(asked.one("$limit", 1000))
        if offset and self.springs("overlap"):
            offset -= 1
        page = rows[offset : offset + limit]
        if self.springs("cap"):
            page = page[: len(page) // 2]
        if self.springs("empty"):
            page = []
        reply = _json(200, page)
        if not self.springs("no_headers"):
            reply.headers = {
                "X-SODA2-Fields": json.dumps(columns),
                "X-SODA2-Types": json.dumps(["text"] * len(columns)),
            }
        return reply

    def _found(self, asked, report):
        where = asked.one("$where", "")
        codes = re.findall(r"'(\w+)'", where.partition("in (")[2].partition(")")[0])
        first = (re.findall(r">= '([0-9-]{10})", where) or ["0001-01-01"])[0]
        last = (re.findall(r"<= '([0-9-]{10})", where) or ["9999-12-31"])[0]
        ignored = self.springs("filter_ignored")
        found = []
        for number, ((series, period), text) in enumerate(self.publisher.public().items()):
            kind, code = series
            fits = code in codes and first <= period.isoformat() <= last
            if kind == report and (fits or ignored):
                found.append(_row(number, code, period, json.loads(text)))
        # A row replaced by delete and insert stands last where nothing else is asked for.
        found.sort(key=lambda row: [row[name] for name in asked.one("$order", ":id").split(",")])
        if self.springs("newest_first"):
            found.reverse()
        if len(found) > 1 and self.springs("repeated"):
            found[-1] = found[-2]
        if self.springs("combined"):
            found = [row | {"id": row["id"][:-1] + "C", SCOPE: "Combined"} for row in found]
        if self.springs("no_scope"):
            found = [{k: v for k, v in row.items() if k not in ("id", SCOPE)} for row in found]
        return found


def _row(number, code, period: date, cells):
    padded = "CBT " if number % 5 == 0 else "CBT"
    return {
        ":id": f"row-{number:06d}",
        "id": f"{period:%y%m%d}{code}F",
        DATE: f"{period}T00:00:00.000",
        CODE: code,
        "cftc_market_code": padded,
        SCOPE: "FutOnly",
        **{name: str(cell) for name, cell in cells.items() if cell is not None},
    }


def report_row(report, size=100_000, step=1):
    """Measures of a report row that keep its identity."""
    from data_contracts.cftc import SIDES

    cells = {}
    sides = SIDES[report]
    shared = [name for name in sides["long"] if name in sides["short"]]
    for name in shared:
        cells[name] = size // 20 + step
    for side in sides.values():
        rest = [name for name in side if name not in shared]
        left = size - sum(cells[name] for name in shared)
        for name in rest[:-1]:
            cells[name] = left // len(rest)
        cells[rest[-1]] = left - sum(cells[name] for name in rest[:-1])
    return cells | {"open_interest_all": size}


def _json(status, content):
    return Reply(status, json.dumps(content).encode())
