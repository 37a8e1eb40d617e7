"""A user's own history as a CSV file: a column ``period`` and a column ``value``.

The import states what the file cannot: series, unit and source. They travel in the address under
which the bytes are kept, so that every row can be traced to who said it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from datetime import date
from urllib.parse import parse_qs, quote, urlsplit

import polars as pl

from cbi_pipeline.feeds.eia import number
from cbi_pipeline.feeds.errors import UnexpectedShape
from cbi_pipeline.feeds.feed import PARSED_SCHEMA, Parsed

FEED = "csv"
COLUMNS = ("period", "value")
_SERIES = re.compile(r"[A-Z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+")
_MISSING = ("", "NA", "null")


def is_series_id(text: str) -> bool:
    """Whether text can be a series id: an owner and a name, e.g. ``DESK.CPO_FOB``."""
    return _SERIES.fullmatch(text) is not None


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
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        header, lines = next(reader, []), [cells for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unexpected(f"no CSV in UTF-8 ({error})") from error
    _require_columns(header)
    rows = [
        _row(stated, place, header, cells)
        for place, cells in enumerate(lines, start=2)
        if any(cells)
    ]
    return Parsed(
        pl.DataFrame(rows, schema=dict(PARSED_SCHEMA), orient="row"), complete=(stated["series"],)
    )


def _require_columns(header: Sequence[str]) -> None:
    if not set(COLUMNS) <= set(header):
        raise _unexpected(f"columns {list(header)}, expected period and value")
    # Spreadsheets leave columns without a name behind; nobody can mistake those for another.
    twice = sorted({name for name in header if name.strip() and header.count(name) > 1})
    if twice:
        raise _unexpected(f"the header names {', '.join(twice)} more than once")


def _row(
    stated: dict[str, str], place: int, header: Sequence[str], cells: Sequence[str]
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
        f"line {place}",
        json.dumps({**line, **({"extra cells": surplus} if surplus else {})}),
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _unexpected(problem: str) -> UnexpectedShape:
    return UnexpectedShape(FEED, problem, "Write a header `period,value` and one row per period")
