"""The EIA's history files as a server on loopback.

No such file was ever recorded: format, sheets and titles are written from descriptions. A file has
a mark (``ETag``) and an hour (``Last-Modified``), and is not sent again while it is the same.
"""

import hashlib
import io
from datetime import date, timedelta
from functools import lru_cache

import xlwt

from cbi_pipeline.feeds.eia_history import locate_file
from cbi_pipeline.feeds.eia_series import SERIES
from tests.feed_servers.publisher import Publisher
from tests.feed_servers.server import HTML, FeedServer, Reply

TITLES = {
    "USD/bbl": "Dollars per Barrel",
    "USD/gal": "Dollars per Gallon",
    "USD/MMBtu": "Dollars per Million Btu",
    "kb": "Thousand Barrels",
    "kb/d": "Thousand Barrels per Day",
    "percent": "Percent",
    "Bcf": "Billion Cubic Feet",
}
FILES = {f"/dnav/{locate_file(one).group}": one for one in SERIES}


class EiaHistoryServer(FeedServer):
    """Traps of these files beside the general ones: ``gone`` (404), ``another`` (the file of
    another series), ``weekly`` (says that its values are weekly), ``no_keys`` (no row of source
    keys), ``retitled`` (another unit in the title), ``numbers`` (days as plain numbers),
    ``shrunk`` (the last ten days are not there), ``unmarked`` (no mark and no hour),
    ``stubborn`` (says unchanged of another mark), ``damaged`` (a workbook with a part
    overwritten), ``wordy`` (a word in the place of the last number).
    """

    def __init__(self, publisher=None):
        super().__init__()
        self.publisher = publisher or Publisher()
        self.sent: list[tuple[str, int]] = []

    def answer(self, asked):
        reply = self._answer(asked)
        self.sent.append((asked.path, reply.status))
        return reply

    def _answer(self, asked):
        one = FILES.get(asked.path)
        if one is None or self.springs("gone"):
            return Reply(404, HTML, "text/html")
        body = self._file(one)
        mark = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {"ETag": mark, "Last-Modified": "Wed, 03 Jun 2020 20:00:00 GMT"}
        if self.springs("unmarked"):
            headers = {}
        given = asked.headers.get("if-none-match")
        if given and self.springs("stubborn"):
            return Reply(304, b"", headers={"ETag": '"other"'})
        if headers and given == mark:
            return Reply(304, b"", headers=headers)
        return Reply(200, body, "application/vnd.ms-excel", headers)

    def _file(self, one):
        if self.springs("another"):
            one = next(other for other in SERIES if other.code != one.code)
        rows = sorted(
            (period, text)
            for (code, period), text in self.publisher.public().items()
            if code == one.code
        )
        if self.springs("shrunk"):
            rows = rows[:-10]
        frequency = "Weekly" if self.springs("weekly") else one.frequency.title()
        title = "Percent" if self.springs("retitled") else TITLES[one.unit]
        body = make_workbook(
            one.code,
            f"{one.name} ({title})",
            tuple(rows),
            frequency,
            has_keys=not self.springs("no_keys"),
            has_dates=not self.springs("numbers"),
            last="n.q." if self.springs("wordy") else None,
        )
        if self.springs("damaged"):
            return body[:600] + b"\xff" * 600 + body[1200:]
        return body


@lru_cache(maxsize=64)
def make_workbook(code, title, rows, frequency, *, has_keys=True, has_dates=True, last=None):
    """A workbook of the format of Excel 97, as the agency lays one out."""
    book = xlwt.Workbook()
    contents, data = book.add_sheet("Contents"), book.add_sheet("Data 1")
    _write(contents, 0, "Workbook Contents")
    _write(contents, 3, "Worksheet Name", "Description", "# Of Series", "Frequency", "Latest Data")
    _write(contents, 4, "Data 1", title, 1, frequency, str(rows[-1][0]) if rows else "")
    _write(data, 0, "Back to Contents", f"Data 1: {title}")
    _write(data, 1, *(("Sourcekey", code) if has_keys else ("", "")))
    _write(data, 2, "Date", title)
    style = xlwt.easyxf(num_format_str="mmm dd, yyyy" if has_dates else "0")
    for number, (period, text) in enumerate(rows, start=3):
        data.write(number, 0, (period - date(1899, 12, 30)) // timedelta(days=1), style)
        if text not in (None, ""):
            data.write(number, 1, float(text))
    if last is not None:
        data.write(len(rows) + 3, 0, "no day")
        data.write(len(rows) + 3, 1, last)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _write(sheet, row, *cells):
    for column, cell in enumerate(cells):
        sheet.write(row, column, cell)
