"""Whole files that a service gives away: what is no such file, and what is in a workbook."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cbi_pipeline.feeds.errors import FeedError, IncompleteResponse, UnexpectedShape
from cbi_pipeline.feeds.http_status import refuse_status
from cbi_pipeline.feeds.source import Answer

T = TypeVar("T")

#: How the files begin: a workbook of Excel 97, and a zip archive, as newer workbooks are.
XLS, ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
#: Most bytes that the parts of an archive may unpack to.
_UNPACKED = 512 * 2**20
#: Day 0 of the numbers by which Excel counts days, for all after February 1900.
_EXCEL_EPOCH = date(1899, 12, 30)
_LAST_NUMBER = (date(9000, 1, 1) - _EXCEL_EPOCH).days
_UNUSED = "Nothing of this file was used; the next run asks for it again"
_MOVED = "Look on the publisher's own page where the file lies now; the feed must follow it"

#: One cell of a sheet; an empty one is an empty text.
Cell = object


def refuse_file(feed: str, answer: Answer, begins: bytes, kind: str) -> FeedError | None:
    """What an answer that is not the file means; None where it may be.

    Args:
        feed: name of the feed.
        answer: the answer.
        begins: first bytes of every such file.
        kind: what the file is, for people.
    """
    refused = refuse_status(feed, answer)
    if refused is not None or answer.body.startswith(begins):
        return refused
    host, came = urlsplit(answer.url).hostname, answer.headers.get("content-type", "no type")
    return UnexpectedShape(feed, f"{host} answers {came} in place of {kind}", _MOVED)


def read_sheet(feed: str, body: bytes, name: str) -> list[list[Cell]]:
    """The rows of a sheet of a workbook, XLS or XLSX; none where there is no such sheet.

    Raises:
        IncompleteResponse: the workbook is damaged or breaks off.
        UnexpectedShape: it unpacks to more than any workbook of a publisher.
    """

    def read(book: Any) -> list[list[Cell]]:  # noqa: ANN401  (of the library)
        rows = book.get_sheet_by_name(name).to_python() if name in book.sheet_names else []
        return [list(row) for row in rows]

    return _read_workbook(feed, body, read)


def list_sheets(feed: str, body: bytes) -> list[str]:
    """The names of a workbook's sheets, in order.

    Raises:
        IncompleteResponse, UnexpectedShape: as :func:`read_sheet`.
    """
    return _read_workbook(feed, body, lambda book: list(book.sheet_names))


def _read_workbook(feed: str, body: bytes, read: Callable[[Any], T]) -> T:
    # It takes a while to load, and most commands read no workbook.
    import python_calamine

    if body.startswith(ZIP):
        _require_size(feed, body)
    try:
        return read(python_calamine.load_workbook(io.BytesIO(body)))
    except BaseException as error:
        # The library's own crash on damaged bytes is no Exception, and its class has no other name.
        crashed = type(error).__name__ == "PanicException"
        if not crashed and not isinstance(error, python_calamine.CalamineError):
            raise
        problem = f"a workbook that is damaged or breaks off ({str(error)[:200]})"
    raise IncompleteResponse(feed, problem, _UNUSED)


def _require_size(feed: str, body: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise IncompleteResponse(feed, f"an archive that breaks off ({error})", _UNUSED) from error
    if size > _UNPACKED:
        raise UnexpectedShape(feed, f"an archive that unpacks to {size} bytes", _MOVED)


def read_day(cell: Cell) -> date | None:
    """The day that a cell holds, as a date or as Excel's number of it; None where it holds none."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    if not 60 < cell < _LAST_NUMBER:  # and not so where it is no number
        return None
    return _EXCEL_EPOCH + timedelta(days=int(cell))


def write_text(cell: Cell) -> str:
    """A cell as text: numbers as short as they can be to be read back the same."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def list_texts(row: Sequence[Cell]) -> list[str]:
    """The cells of a row as text."""
    return [write_text(cell) for cell in row]
