"""From the bytes of one archived file to rows. Pure: no file is opened here."""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import polars as pl

from cbi_pipeline.feeds.archive_series import MER, PETROLEUM, RETAIL, WEEKLY, WTI, ArchivedSeries
from cbi_pipeline.feeds.errors import UnexpectedShape
from cbi_pipeline.feeds.source import PARSED_SCHEMA, Parsed
from data_contracts.release import (
    ReleaseRule,
    eia_mer,
    eia_retail_weekly,
    eia_spot_weekly,
    eia_wpsr,
)

FEED = "archive"
SCHEME = "archive://"
WTI_FILE = "eia-wti-daily.csv.gz"
WEEKLY_FILE = "eia-petroleum-weekly.csv.gz"

BLANK_LINE = "blank line"
ANNUAL_TOTAL = "annual total (month 13), not a month"

# The weekly file dates all nine series by Friday. Retail prices are surveyed on Mondays, and the
# file carries each survey under the Friday before it: PROVENANCE.toml gives the evidence.
SURVEY_AFTER_LABEL = timedelta(days=3)

_ENCODER = json.JSONEncoder(ensure_ascii=False)  # json.dumps would make one per row
_MER_FILE = re.compile(r"eia-mer-([0-9]{4}-[0-9]{2}-[0-9]{2})\.csv\.gz")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_ISO = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})")
_US = re.compile(r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4})")
_YEAR_MONTH = re.compile(r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})")
# A year outside is a typing error, not a period, and its release would leave the calendar.
_YEARS = range(1800, 9000)


@dataclass(frozen=True, slots=True)
class Line:
    """One source row.

    Attributes:
        number: line number in the plain file, header = 1.
        cells: its cells.
        by_name: cells by column name, as far as both go.
        whole: whether it has as many cells as the header.
    """

    number: int
    cells: tuple[str, ...]
    by_name: Mapping[str, str]
    whole: bool

    def as_json(self) -> str:
        """The row as JSON, cells beyond the header under ``extra cells``."""
        surplus = list(self.cells[len(self.by_name) :])
        extra = {"extra cells": surplus} if surplus else {}
        return _ENCODER.encode({**self.by_name, **extra})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a layout reads in a line: the series, the period, and when it was public."""

    series_id: str
    unit: str
    period: date | None
    available_at: datetime | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How one archived file is written.

    Attributes:
        columns: columns that must be there.
        value: the column of the value.
        missing: the publisher's token for a value it does not have.
        basis: belief behind the release instants.
        series: series whose whole history the file carries.
        read: line to reading, or the reason why the line is not an observation.
    """

    columns: tuple[str, ...]
    value: str
    missing: str | None
    basis: str
    series: tuple[ArchivedSeries, ...]
    read: Callable[[Line], Reading | str]


def parse(url: str, body: bytes) -> Parsed:
    """Rows of the archived file ``url``.

    Raises:
        UnexpectedShape: the file is unknown, not gzip, or lacks a column its layout needs.
    """
    layout = _layout(url)
    header, lines = _table(url, body, layout)
    ignored: Counter[str] = Counter()
    rows = []
    for line in _lines(header, lines, ignored):
        reading = layout.read(line)
        if isinstance(reading, str):
            ignored[reading] += 1
        else:
            rows.append(_row(line, reading, layout))
    return Parsed(
        pl.DataFrame(rows, schema=dict(PARSED_SCHEMA), orient="row"),
        dict(ignored),
        tuple(series.id for series in layout.series),
    )


def count_rows(url: str, body: bytes) -> int:
    """Source rows of the archived file ``url``, its header and blank lines aside.

    Raises:
        UnexpectedShape: as :func:`parse`.
    """
    header, lines = _table(url, body, _layout(url))
    return sum(1 for _ in _lines(header, lines, Counter()))


def _layout(url: str) -> Layout:
    name = url.removeprefix(SCHEME)
    if name == WTI_FILE:
        return _WTI_LAYOUT
    if name == WEEKLY_FILE:
        return _WEEKLY_LAYOUT
    dated = _MER_FILE.fullmatch(name)
    published = _date(_ISO, dated[1]) if dated else None
    if published is None:
        expected = f"{WTI_FILE}, {WEEKLY_FILE} or eia-mer-<date>.csv.gz"
        raise _make_error(name, expected, "a name no layout is known for")
    return _mer_layout(published)


def _table(url: str, body: bytes, layout: Layout) -> tuple[tuple[str, ...], list[str]]:
    name = url.removeprefix(SCHEME)
    try:
        plain = gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise _make_error(name, "a whole gzip file", f"{len(body)} bytes, {error}") from error
    # One bad byte must cost its own row, not the file, so it is kept as an escape.
    first, *lines = plain.decode("utf-8-sig", errors="backslashreplace").split("\n")
    header = _cells(first)
    if not set(layout.columns) <= set(header):
        raise _make_error(name, f"columns {', '.join(layout.columns)}", f"{', '.join(header)!r}")
    return header, lines


def _lines(header: tuple[str, ...], lines: list[str], ignored: Counter[str]) -> Iterator[Line]:
    if lines and not lines[-1]:
        lines = lines[:-1]
    for number, text in enumerate(lines, start=2):
        cells = _cells(text)
        if cells:
            # Cells may be fewer or more than the header has: such a row is reported, not lost.
            yield Line(number, cells, dict(zip(header, cells)), len(cells) == len(header))  # noqa: B905
        else:
            ignored[BLANK_LINE] += 1


def _cells(text: str) -> tuple[str, ...]:
    # Line by line: a stray quote would otherwise swallow every row after it.
    text = text.rstrip("\r")
    try:
        return tuple(next(csv.reader([text]), ()))
    except csv.Error:
        # What is no line of CSV is one cell, and the row is refused for its width.
        return (text,)


def _row(line: Line, reading: Reading, layout: Layout) -> tuple[object, ...]:
    if line.whole:
        text = line.by_name[layout.value]
        missing = text == layout.missing
        value = None if missing else number(text)
    else:
        text, missing, value = ",".join(line.cells), False, None
    return (
        reading.series_id,
        reading.period,
        text,
        value,
        reading.unit,
        "missing" if missing else "value",
        reading.available_at,
        layout.basis,
        f"line {line.number}",
        line.as_json(),
    )


def number(text: str) -> float | None:
    """The finite number ``text`` spells, or None. Words such as nan, and spaces, are no numbers."""
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None


@lru_cache(maxsize=65536)
def _date(pattern: re.Pattern[str], text: str) -> date | None:
    match = pattern.fullmatch(text)
    if match is None:
        return None
    part = {name: int(digits) for name, digits in match.groupdict().items()}
    try:
        day = date(part["year"], part["month"], part.get("day", 1))
    except ValueError:
        return None
    return day if day.year in _YEARS else None


def _read_wti(line: Line) -> Reading:
    period = _date(_US, line.by_name.get("Date", ""))
    return Reading(WTI.id, WTI.unit, period, _date_release(eia_spot_weekly, period))


def _read_weekly(line: Line) -> Reading:
    label = line.by_name.get("series_id", "")
    friday = _date(_ISO, line.by_name.get("datetime", ""))
    if label == RETAIL.label:
        monday = friday and friday + SURVEY_AFTER_LABEL
        return Reading(RETAIL.id, RETAIL.unit, monday, _date_release(eia_retail_weekly, monday))
    series = _PETROLEUM.get(label)
    if series is None:
        return Reading(label, "", friday, None)
    return Reading(series.id, series.unit, friday, _date_release(eia_wpsr, friday))


def _mer_layout(published: date) -> Layout:
    available_at = eia_mer.rule(published)

    def read(line: Line) -> Reading | str:
        text, msn = line.by_name.get("YYYYMM", ""), line.by_name.get("MSN", "")
        if line.whole and _YEAR_MONTH.fullmatch(text) and text.endswith("13"):
            return ANNUAL_TOTAL
        series, unit = _MER.get(msn), line.by_name.get("Unit", "")
        period = _date(_YEAR_MONTH, text)
        # No issue can tell of a month that began after it.
        public = available_at if period is None or period <= published else None
        if series is None:
            return Reading(msn, unit, period, public)
        same = unit.casefold() == series.unit.casefold()
        return Reading(series.id, series.unit if same else unit, period, public)

    columns = ("MSN", "YYYYMM", "Value", "Unit")
    return Layout(columns, "Value", "Not Available", "calendar", MER, read)


@lru_cache(maxsize=65536)
def _date_release(rule: ReleaseRule, period: date | None) -> datetime | None:
    return None if period is None else rule.rule(period)


def _make_error(name: str, expected: str, actual: str) -> UnexpectedShape:
    return UnexpectedShape(
        FEED,
        f"{name}: expected {expected}, found {actual}",
        "Restore the file as shipped, or undo the edit that changed its structure",
    )


_PETROLEUM = {series.label: series for series in PETROLEUM}
_MER = {series.label: series for series in MER}
_WTI_LAYOUT = Layout(("Date", WTI.label), WTI.label, ".", "assumed", (WTI,), _read_wti)
_WEEKLY_LAYOUT = Layout(
    ("datetime", "series_id", "value"), "value", None, "assumed", WEEKLY, _read_weekly
)
