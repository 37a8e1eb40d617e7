"""A user's own history as a file: by itself a CSV with a column ``period`` and a column ``value``.

The import states what the file cannot: series, unit and source, and how a file of another form is
read. They travel in the address under which the bytes are kept, so that every row can be traced to
who said it.
"""

from __future__ import annotations

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

from cbi_pipeline.feeds.own_cells import FEED, make_error, read_lines
from cbi_pipeline.feeds.own_reading import Reading
from cbi_pipeline.feeds.source import PARSED_SCHEMA, Parsed, Pull, Series, Source
from data_contracts.own_history import OWN_HISTORY

_SERIES = re.compile(r"[A-Z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+")
#: A CSV with the columns ``period`` and ``value``.
PLAIN = Reading()
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
    file: Path,
    series: str,
    unit: str,
    measured: str,
    *,
    title: str | None = None,
    adds: bool,
    reading: Reading = PLAIN,
) -> Source:
    """A file as a source of one series.

    Args:
        file: the file.
        series: series id, owner first, e.g. ``DESK.CPO_FOB``.
        unit: unit of every value, one of the units of the family ``own_history``.
        measured: who measured or published it.
        title: title of the series; the id by default.
        adds: whether the file is a part of a history, and says nothing of the periods it lacks.
        reading: how the file is read.

    Raises:
        ValueError: an argument cannot be used; says what to give.
    """
    if unit not in OWN_HISTORY.bounds:
        raise ValueError(f"unit {unit!r} is not known; units: {', '.join(OWN_HISTORY.bounds)}")
    url = address(file.name, series, unit, measured, reading)
    followed = Series(
        id=series,
        code=series,
        family=OWN_HISTORY.name,
        name=title or series,
        unit=unit,
        frequency="monthly" if reading.monthly else "daily",
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


def address(name: str, series: str, unit: str, source: str, reading: Reading = PLAIN) -> str:
    """Address under which a file's bytes are kept.

    Raises:
        ValueError: the series id is none, or no source is named.
    """
    if not is_series_id(series):
        raise ValueError(f"{series!r} is no series id; use an owner and a name, e.g. DESK.CPO_FOB")
    if not source.strip():
        raise ValueError("name the source of the file with --source: who measured or published it")
    stated = {"series": series, "unit": unit, "source": source.strip(), **reading.to_query()}
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in stated.items())
    return f"csv://{quote(name)}?{query}"


def parse(url: str, body: bytes) -> Parsed:
    """Rows of a file, read as its address says: a period and a number, empty when missing.

    A line with more or fewer cells than the header keeps its text and has no value, so it is set
    aside: which of its cells is the value cannot be told, e.g. where a decimal comma split it.

    Raises:
        UnexpectedShape: it is not what its address says, lacks a column, or has two of one name.
    """
    stated = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    reading = Reading.from_query(stated)
    lines = read_lines(body, reading)
    header = next(lines, [])
    _require_columns(header, reading)
    rows = (
        _row(stated, reading, position, header, cells)
        for position, cells in enumerate(filter(None, lines), start=2)
        if any(cells)
    )
    parts = _split(rows)
    return Parsed(next(parts), complete=(stated["series"],), later=map(Parsed, parts))


def _split(rows: Iterator[tuple[object, ...]]) -> Iterator[pl.DataFrame]:
    """Rows as frames that are not many each, one at least."""
    schema = dict(PARSED_SCHEMA)
    yield pl.DataFrame(list(islice(rows, _PART)), schema=schema, orient="row")
    while part := list(islice(rows, _PART)):
        yield pl.DataFrame(part, schema=schema, orient="row")


def _require_columns(header: Sequence[str], reading: Reading) -> None:
    asked = [
        name for name in (reading.date_column, reading.price_column, reading.vintage_column) if name
    ]
    if not set(asked) <= set(header):
        raise make_error(f"columns {list(header)}, expected {' and '.join(asked)}")
    # Spreadsheets leave columns without a name behind; nobody can mistake those for another.
    twice = sorted({name for name in header if name.strip() and header.count(name) > 1})
    if twice:
        raise make_error(f"the header names {', '.join(twice)} more than once")


def _row(
    stated: dict[str, str],
    reading: Reading,
    position: int,
    header: Sequence[str],
    cells: Sequence[str],
) -> tuple[object, ...]:
    # A line may end before the header does, or go on after it.
    line = dict(zip(header, cells, strict=False))
    surplus = list(cells[len(header) :])
    whole = len(cells) == len(header)
    text = line[reading.price_column].strip() if whole else ",".join(cells)
    missing = whole and reading.is_missing(text)
    period = reading.read_period(line.get(reading.date_column, ""))
    available = reading.date_value(period, line.get(reading.vintage_column, ""))
    return (
        stated["series"],
        period,
        text,
        reading.read_number(text) if whole and not missing else None,
        stated["unit"],
        "missing" if missing else "value",
        available,
        "first_seen" if available is None else "assumed",
        f"line {position}",
        json.dumps({**line, **({"extra cells": surplus} if surplus else {})}),
    )
