"""The cells of a person's own file as text, line by line: of a CSV, a workbook or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime

import polars as pl

from cbi_pipeline.feeds.errors import IncompleteResponse, UnexpectedShape
from cbi_pipeline.feeds.file_body import list_sheets, read_sheet
from cbi_pipeline.feeds.own_reading import Reading

FEED = "csv"


def read_lines(body: bytes, reading: Reading) -> Iterator[list[str]]:
    """The header, then every line; an empty line is an empty list.

    Raises:
        UnexpectedShape: the bytes are not what they are said to be.
    """
    match reading.kind:
        case "csv":
            yield from _read_csv(body, reading.separator)
        case "xlsx":
            yield from _read_workbook(body, reading.sheet)
        case "parquet":
            yield from _read_parquet(body)


def make_error(problem: str, remedy: str = "") -> UnexpectedShape:
    """That a file cannot be read."""
    return UnexpectedShape(
        FEED, problem, remedy or "Write a header `period,value` and one row per period"
    )


def _read_csv(body: bytes, separator: str) -> Iterator[list[str]]:
    try:
        text = io.StringIO(body.decode("utf-8-sig"), newline="")
        yield from csv.reader(text, delimiter=separator, strict=True)
    except (UnicodeDecodeError, csv.Error) as error:
        raise make_error(f"no CSV in UTF-8 ({error})") from error


def _read_workbook(body: bytes, sheet: str) -> Iterator[list[str]]:
    try:
        names = list_sheets(FEED, body)
        if sheet and sheet not in names:
            raise make_error(f"no sheet {sheet!r}", f"There are: {', '.join(names)}")
        sheets = (read_sheet(FEED, body, name) for name in ([sheet] if sheet else names))
        rows = next((rows for rows in sheets if rows), [])
    except IncompleteResponse as error:
        raise make_error(error.problem, "Save it as XLSX or CSV") from error
    for row in rows:
        yield list(map(_write_cell, row))


def _read_parquet(body: bytes) -> Iterator[list[str]]:
    try:
        frame = pl.read_parquet(io.BytesIO(body))
    except pl.exceptions.PolarsError as error:
        raise make_error(f"no Parquet ({error})", "Save it as Parquet or CSV") from error
    yield frame.columns
    for row in frame.iter_rows():
        yield list(map(_write_cell, row))


def _write_cell(cell: object) -> str:
    """A cell as a person would write it in a CSV."""
    match cell:
        case None:
            return ""
        case datetime() if (cell.hour, cell.minute, cell.second) == (0, 0, 0) and not cell.tzinfo:
            return cell.date().isoformat()
        case datetime() | date():
            return cell.isoformat()
        case float() if cell.is_integer() and abs(cell) < 2**53:
            return str(int(cell))
    return str(cell)
