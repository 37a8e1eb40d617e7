"""A user's own history as a CSV file: a column ``period`` and a column ``value``.

The import states what the file cannot: series, unit and source. They travel in the address under
which the bytes are kept, so that every row can be traced to who said it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds.eia import number
from cbi_pipeline.feeds.errors import UnexpectedShape
from cbi_pipeline.feeds.source import PARSED_SCHEMA, Parsed, Pull, Series, Source
from data_contracts.own_history import OWN_HISTORY

FEED = "csv"
COLUMNS = ("period", "value")
_SERIES = re.compile(r"[A-Z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+")
_MISSING = ("", "NA", "null")
#: Rows that are read at once.
_PART = 50_000

#: A file of which neither series nor place is stated: reads the bytes of any.
READER = Source(
    name=FEED,
    title="Own histories",
    zone=ZoneInfo("UTC"),
    series=(),
    pulls=lambda asked, newest, today: (),
    parse=lambda answer: parse(answer.url, answer.body),
)


def is_series_id(text: str) -> bool:
    """Whether text can be a series id: an owner and a name, e.g. ``DESK.CPO_FOB``."""
    return _SERIES.fullmatch(text) is not None


def source(
    file: Path, series: str, unit: str, measured: str, *, title: str | None = None, adds: bool
) -> Source:
    """A file as a source of one series.

    Args:
        file: the file.
        series: series id, owner first, e.g. ``DESK.CPO_FOB``.
        unit: unit of every value, one of the units of the family ``own_history``.
        measured: who measured or published it.
        title: title of the series; the id by default.
        adds: whether the file is a part of a history, and says nothing of the periods it lacks.

    Raises:
        ValueError: an argument cannot be used; says what to give.
    """
    if unit not in OWN_HISTORY.bounds:
        raise ValueError(f"unit {unit!r} is not known; units: {', '.join(OWN_HISTORY.bounds)}")
    url = address(file.name, series, unit, measured)
    followed = Series(
        id=series,
        code=series,
        family=OWN_HISTORY.name,
        name=title or series,
        unit=unit,
        frequency="daily",
        group="",
        since=date.min,
        origin=measured.strip(),
    )
    return replace(
        READER,
        name=f"{FEED}:{series}",
        title=f"Own history of {series}",
        series=(followed,),
        pulls=lambda asked, newest, today: [Pull(file.name, url, (series,), date.min, path=file)],
        adds=adds,
    )


def address(name: str, series: str, unit: str, source: str) -> str:
    """Address under which a file's bytes are kept.

    Raises:
        ValueError: the series id is none, or no source is named.
    """
    if not is_series_id(series):
        raise ValueError(f"{series!r} is no series id; use an owner and a name, e.g. DESK.CPO_FOB")
    if not source.strip():
        raise ValueError("name the source of the file with --source: who measured or published it")
    stated = {"series": series, "unit": unit, "source": source.strip()}
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in stated.items())
    return f"csv://{quote(name)}?{query}"


def parse(url: str, body: bytes) -> Parsed:
    """Rows of a file: ``period`` as YYYY-MM-DD, ``value`` as a number, empty when missing.

    A line with more or fewer cells than the header keeps its text and has no value, so it is set
    aside: which of its cells is the value cannot be told, e.g. where a decimal comma split it.

    Raises:
        UnexpectedShape: it is no UTF-8 text, lacks one of the two columns, or has two of one name.
    """
    stated = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    lines = _read_lines(body)
    header = next(lines, [])
    _require_columns(header)
    rows = (
        _row(stated, position, header, cells)
        for position, cells in enumerate(filter(None, lines), start=2)
        if any(cells)
    )
    parts = _split(rows)
    return Parsed(next(parts), complete=(stated["series"],), later=map(Parsed, parts))


def _read_lines(body: bytes) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _make_error(f"no CSV in UTF-8 ({error})") from error


def _split(rows: Iterator[tuple[object, ...]]) -> Iterator[pl.DataFrame]:
    """Rows as frames that are not many each, one at least."""
    schema = dict(PARSED_SCHEMA)
    yield pl.DataFrame(list(islice(rows, _PART)), schema=schema, orient="row")
    while part := list(islice(rows, _PART)):
        yield pl.DataFrame(part, schema=schema, orient="row")


def _require_columns(header: Sequence[str]) -> None:
    if not set(COLUMNS) <= set(header):
        raise _make_error(f"columns {list(header)}, expected period and value")
    # Spreadsheets leave columns without a name behind; nobody can mistake those for another.
    twice = sorted({name for name in header if name.strip() and header.count(name) > 1})
    if twice:
        raise _make_error(f"the header names {', '.join(twice)} more than once")


def _row(
    stated: dict[str, str], position: int, header: Sequence[str], cells: Sequence[str]
) -> tuple[object, ...]:
    # A line may end before the header does, or go on after it.
    line = dict(zip(header, cells, strict=False))
    surplus = list(cells[len(header) :])
    whole = len(cells) == len(header)
    text = line["value"].strip() if whole else ",".join(cells)
    missing = whole and text in _MISSING
    return (
        stated["series"],
        _day(line.get("period", "").strip()),
        text,
        number(text) if whole and not missing else None,
        stated["unit"],
        "missing" if missing else "value",
        None,
        "first_seen",
        f"line {position}",
        json.dumps({**line, **({"extra cells": surplus} if surplus else {})}),
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _make_error(problem: str) -> UnexpectedShape:
    return UnexpectedShape(FEED, problem, "Write a header `period,value` and one row per period")
