"""One page of the EIA's API as a table of text.

Pages are long and the service sends every cell as text, so a page is first read straight into
columns. Whatever that reading cannot hold faithfully (numbers, nested cells, rows of different
columns) is read object by object instead, which takes longer and comes to the same table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl

from cbi_pipeline.feeds.errors import UnexpectedShape
from cbi_pipeline.feeds.json_body import MAY_BE_HALF, decode_json
from cbi_pipeline.feeds.source import Answer

FEED = "eia"
UNUSED = "Nothing of this pull was used; the next run asks again"
FOLLOW = "Compare with the API's documentation; the feed must follow it"
_COUNT = re.compile(r"[0-9]{1,12}")
REQUIRED = ("series", "period", "value")


@dataclass(frozen=True, slots=True)
class Page:
    """A page, decoded once.

    Attributes:
        head: members of ``response`` other than its rows.
        warnings: what the service warns of, wherever it says so.
        frequency: what the page says its rows are; None where it says nothing.
        table: one row per source row, columns of text.
        source: writes the source rows as JSON.
    """

    head: Mapping[str, Any]
    warnings: tuple[str, ...]
    frequency: str | None
    table: pl.DataFrame
    source: Callable[[], pl.Series]

    @property
    def total(self) -> int:
        """Rows of the whole answer, as the service counts them.

        Raises:
            UnexpectedShape: it states no number.
        """
        total = str(self.head.get("total"))
        if not _COUNT.fullmatch(total):
            raise make_error(f"a total that is no number: {total[:80]!r}")
        return int(total)


@lru_cache(maxsize=1)
def read_page(answer: Answer) -> Page:
    """Decode a page; the proof and the parser read it one after the other.

    Raises:
        IncompleteResponse: it ends in the middle.
        UnexpectedShape: it is no answer of this API, or rows lack a column.
    """
    # The reader of columns puts a mark in the place of half a character.
    page = None if MAY_BE_HALF.search(answer.body) else _by_columns(answer.body)
    return page or _by_objects(answer.body)


def make_error(problem: str) -> UnexpectedShape:
    """An answer that cannot be read."""
    return UnexpectedShape(FEED, problem, FOLLOW)


def _by_columns(body: bytes) -> Page | None:
    """The page if every cell is text or null and every row has the required columns."""
    try:
        content = pl.read_json(body, infer_schema_length=None)
        rows = content.select(pl.col("response").struct.field("data")).explode("data")
        table = rows.unnest("data")
    except pl.exceptions.PolarsError:
        return None
    plain = all(kind in (pl.String, pl.Null) for kind in table.dtypes)
    if not (plain and len(content) == 1 and all(_is_there(name, table, body) for name in REQUIRED)):
        return None
    head = content.select(pl.col("response").struct.unnest()).drop("data").row(0, named=True)
    above = content["warnings"].to_list() if "warnings" in content.columns else []
    table = table.cast(pl.String)
    return Page(
        head,
        _warnings(head.get("warnings"), *above),
        _frequency(head, content["request"][0] if "request" in content.columns else None),
        _with_units(table),
        lambda: _by_objects(body).source(),
    )


def _is_there(name: str, table: pl.DataFrame, body: bytes) -> bool:
    """Whether every row has the column once.

    A column tells neither an absent cell from a null one nor a cell given twice from one; the
    count does. A series or period given twice would be caught as not asked for or as repeated.
    """
    if name not in table.columns:
        return False
    certain = name != "value" and not table[name].has_nulls()
    return certain or body.count(f'"{name}":'.encode()) == len(table)


def _by_objects(body: bytes) -> Page:
    content = _decode(body)
    response = content.get("response")
    if not isinstance(response, dict) or not isinstance(response.get("data"), list):
        raise make_error("an answer without response.data")
    rows = response["data"]
    if not all(isinstance(row, dict) for row in rows):
        raise make_error("rows that are no objects")
    for column in REQUIRED:
        if any(column not in row for row in rows):
            raise make_error(f"rows without the column {column}")
    head = {name: member for name, member in response.items() if name != "data"}
    return Page(
        head,
        _warnings(head.get("warnings"), content.get("warnings")),
        _frequency(head, content.get("request")),
        _table(rows),
        lambda: pl.Series([json.dumps(row) for row in rows], dtype=pl.String),
    )


def _decode(body: bytes) -> Mapping[str, Any]:
    content = decode_json(FEED, body, UNUSED)
    if not isinstance(content, dict):
        raise make_error("an answer that is no object")
    return content


def _frequency(head: Mapping[str, Any], request: object) -> str | None:
    """The frequency a page states; where it states none, the one it repeats of the question."""
    params = request.get("params") if isinstance(request, dict) else None
    asked = params.get("frequency") if isinstance(params, dict) else None
    stated = head.get("frequency", asked)
    return None if stated is None else str(stated)


def _warnings(*given: object) -> tuple[str, ...]:
    lists = [
        warning if isinstance(warning, list) else [warning]
        for warning in given
        if warning is not None
    ]
    return tuple(str(warning) for warnings in lists for warning in warnings)


def _table(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    names = list(dict.fromkeys([*REQUIRED, *(name for row in rows for name in row)]))
    return _with_units(
        pl.DataFrame(
            [pl.Series(name, [_text(row.get(name)) for row in rows], pl.String) for name in names]
        )
    )


def _with_units(table: pl.DataFrame) -> pl.DataFrame:
    if "units" in table.columns:
        return table
    return table.with_columns(units=pl.lit(None, pl.String))


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
