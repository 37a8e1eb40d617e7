"""The EIA's API v2 as a server on loopback.

The shape of a success is that of recorded answers (petroleum/pri/spt and natural-gas/stor/wkly,
U.S. Energy Information Administration, public domain). No refusal, rate limit or ``warnings`` of
this API was ever recorded: those bodies are written from documentation and public notes.
"""

import json
from datetime import date

from cbi_pipeline.feeds.eia_series import SERIES, UNITS
from tests.feed_servers.publisher import Publisher
from tests.feed_servers.server import FeedServer, Reply

FREQUENCIES = {"daily", "weekly", "monthly", "annual", "four-week-average"}
SPELLED = {ours: theirs for theirs, ours in UNITS.items()}
UNIT = {one.code: SPELLED[one.unit] for one in SERIES}


class EiaServer(FeedServer):
    """Traps of this API beside the general ones: ``echo_off`` (no key in the body),
    ``empty`` (success without rows), ``cap`` (fewer rows than the total, and no more),
    ``overlap`` (the second page repeats rows), ``filter_ignored`` (a series nobody asked for),
    ``bounds_ignored`` (periods nobody asked for), ``column_added``, ``column_removed``,
    ``retyped`` (numbers that are lists), ``numbers`` (JSON numbers, as before 2.1.6),
    ``weekly`` (answers another frequency), ``no_frequency`` (does not say which), ``warning``,
    ``old_500`` (a refusal with status 500), ``frequency_error``, ``total_changes``, ``repeated``
    (a row twice in the place of another, in any answer of several periods), ``lost`` (such an
    answer lacks a row, and counts without it), ``disordered`` (rows of a page in another order),
    ``suspended`` (the key's own 403).
    """

    KEY = "k" * 40

    def __init__(self, key=KEY):
        super().__init__()
        self.key = key
        self.publisher = Publisher()
        self.cap = 5000
        self.hit = -5

    @property
    def url(self):
        return f"{self.base}/v2"

    def answer(self, asked):
        key = asked.one("api_key")
        if key is None:
            return _gateway("API_KEY_MISSING", "No api_key was supplied.")
        if key != self.key:
            return _gateway("API_KEY_INVALID", f"An invalid api_key was supplied: {key}")
        if self.springs("old_500"):
            return _json(500, {"error": "Invalid column 'valeu'.", "code": 400})
        if self.springs("frequency_error") or asked.one("frequency") not in FREQUENCIES:
            asked_for = asked.one("frequency")
            text = f"Invalid frequency '{asked_for}' provided. The only valid frequencies are ..."
            return _json(400, {"error": text, "code": 400})
        return self._data(asked, key)

    def _data(self, asked, key):
        rows = self._rows(asked)
        total = len(rows)
        offset, length = int(asked.one("offset", 0)), int(asked.one("length", 5000))
        length = min(length, self.cap)
        page = rows[offset : offset + length]
        page, total = self._spoil(asked, page, total, rows, offset)
        response = {
            "total": str(total + (1 if offset and self.springs("total_changes") else 0)),
            "dateFormat": "YYYY-MM-DD",
            "frequency": "weekly" if self.springs("weekly") else asked.one("frequency"),
            "data": page,
        }
        if self.springs("no_frequency"):
            del response["frequency"]
        if self.springs("warning"):
            response["warnings"] = [{"warning": "parameter out of range: length"}]
        content = {
            "response": response,
            "request": {"command": asked.path, "params": self._echo(asked, key, response)},
            "apiVersion": "2.1.13",
            "ExcelAddInVersion": "2.1.0",
        }
        return _json(200, content)

    def _echo(self, asked, key, response):
        echo = {"api_key": key, "frequency": asked.one("frequency"), "start": asked.one("start")}
        if "frequency" not in response:
            del echo["frequency"]
        return echo

    def _rows(self, asked):
        wanted, first, last = asked.every("facets[series][]"), asked.one("start"), asked.one("end")
        found = [
            (period, series, text)
            for (series, period), text in self.publisher.public().items()
            if (self.traps.get("filter_ignored", 0) > 0 or series in wanted)
            and (
                self.traps.get("bounds_ignored", 0) > 0
                or (first or "") <= period.isoformat() <= (last or "9999")
            )
        ]
        if self.springs("filter_ignored"):
            found.append((date(2020, 1, 3), "STRANGER", "1.00"))
        self.springs("bounds_ignored")
        rows = [_row(*one) for one in sorted(found)]
        if len({row["period"] for row in rows}) > 1:
            if self.springs("repeated"):
                rows[self.hit] = rows[self.hit - 1]
            if self.springs("lost"):
                del rows[self.hit]
        return rows[::-1] if self.springs("disordered") else rows

    def _spoil(self, asked, page, total, rows, offset):
        if self.springs("empty"):
            return [], 0
        if self.springs("cap"):
            return page[: len(page) // 2] if not offset else [], total
        if offset and self.springs("overlap"):
            page = rows[offset - 1 : offset - 1 + len(page)]
        if self.springs("column_added"):
            page = [row | {"revision-status": "final"} for row in page]
        if self.springs("column_removed"):
            page = [{name: cell for name, cell in row.items() if name != "value"} for row in page]
        if self.springs("retyped"):
            page = [row | {"value": [row["value"]]} for row in page]
        if self.springs("numbers"):
            page = [row | {"value": row["value"] and float(row["value"])} for row in page]
        return page, total


def _row(period, series, text):
    return {
        "period": period.isoformat(),
        "duoarea": "YCUOK",
        "area-name": "NA",
        "product": "EPCWTI",
        "product-name": "WTI Crude Oil",
        "process": "PF4",
        "process-name": "Spot Price FOB",
        "series": series,
        "series-description": f"{series} as published",
        "value": text,
        "units": UNIT.get(series, "MBBL"),
    }


def _gateway(code, message):
    return _json(403, {"error": {"code": code, "message": message}})


def _json(status, content):
    # The service escapes slashes.
    return Reply(status, json.dumps(content, separators=(",", ":")).replace("/", "\\/").encode())
