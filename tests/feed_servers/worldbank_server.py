"""The World Bank's landing page and its workbook as a server on loopback.

The sheet is laid out as in the recorded release of November 2025; the page that names it was never
recorded.
"""

import hashlib
import io
import zipfile
from xml.sax.saxutils import escape

from cbi_pipeline.feeds.worldbank import PAGE, SERIES, WORKBOOK
from tests.feed_servers.publisher import Publisher
from tests.feed_servers.server import HTML, FeedServer, Reply

UNITS = {"USD/t": "($/mt)", "USD/oz": "($/troy oz)"}
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_KIND = "application/vnd.openxmlformats"
PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="{_KIND}-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" '
        f'ContentType="{_KIND}-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>"
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{_SHEETS}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="Monthly Prices" sheetId="1" r:id="r1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>"
    ),
}


class WorldBankServer(FeedServer):
    """Traps beside the general ones: ``unnamed`` (the page names no workbook), ``strange_host`` (it
    names one of another host), ``stale_link`` (the named address answers a page), ``shrunk`` (the
    last ten months are not there), ``renamed`` (a column has another name), ``twice`` (two columns
    have one name), ``rounded`` (to tens).

    ``release`` is in the workbook's address; ``has_codes`` adds the row of codes, ``has_notes`` the
    marks behind names, ``missing`` is the token for a month without a price.
    """

    def __init__(self):
        super().__init__()
        self.publisher = Publisher()
        self.release, self.has_codes, self.has_notes, self.missing = "a1", True, False, "…"
        self.sent: list[tuple[str, int]] = []

    def answer(self, asked):
        reply = self._answer(asked)
        self.sent.append((asked.path.rpartition("/")[2], reply.status))
        return reply

    def _answer(self, asked):
        address = f"/en/doc/{self.release}-0050012026/related/{WORKBOOK}"
        if asked.path == PAGE:
            host = "https://files.example.org" if self.springs("strange_host") else ""
            link = (
                "" if self.springs("unnamed") else f'<a href="{host}{address}">Monthly prices</a>'
            )
            return Reply(200, f"<html><body>{link}</body></html>".encode(), "text/html")
        if asked.path != address or self.springs("stale_link"):
            return Reply(200, HTML, "text/html")
        body = make_sheet(self._rows())
        mark = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if asked.headers.get("if-none-match") == mark:
            return Reply(304, b"", headers={"ETag": mark})
        return Reply(200, body, "application/octet-stream", {"ETag": mark})

    def _rows(self):
        public = self.publisher.public()
        months = sorted({period for _, period in public})
        if self.springs("shrunk"):
            months = months[:-10]
        names = [one.code + (" **" if self.has_notes else "") for one in SERIES]
        if self.springs("renamed"):
            names[0] = "Soya oil"
        if self.springs("twice"):
            names[1] = names[0]
        is_rounded = self.springs("rounded")
        yield ["World Bank Commodity Price Data (The Pink Sheet)"]
        yield ["monthly prices in nominal US dollars, 1960 to present"]
        yield ["Updated on January 06, 2025"]
        yield ["", *names]
        yield ["", *(UNITS[one.unit] for one in SERIES)]
        if self.has_codes:
            yield ["", *(one.id.removeprefix("WB.") for one in SERIES)]
        for month in months:
            texts = [public.get((one.code, month)) for one in SERIES]
            yield [f"{month:%Y}M{month:%m}", *(self._cell(text, is_rounded) for text in texts)]

    def _cell(self, text, is_rounded):
        if text is None:
            return self.missing
        return round(float(text), -1) if is_rounded else float(text)


def make_sheet(rows):
    """A workbook of one sheet with these cells, texts and numbers."""
    lines = "".join(f"<row>{''.join(map(_write_cell, row))}</row>" for row in rows)
    sheet = f'<worksheet xmlns="{_SHEETS}"><sheetData>{lines}</sheetData></worksheet>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in {**PARTS, "xl/worksheets/sheet1.xml": sheet}.items():
            archive.writestr(zipfile.ZipInfo(name), f'<?xml version="1.0"?>{text}')
    return file.getvalue()


def _write_cell(cell):
    if isinstance(cell, str):
        return f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
    return f"<c><v>{cell!r}</v></c>"
