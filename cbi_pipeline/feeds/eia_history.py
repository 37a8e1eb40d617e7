"""The EIA's history files: the series of its API as workbooks, a file each, that need no key.

Each file is the whole history of one series in the format of Excel 97: a sheet of contents, and a
sheet whose first column holds days and whose other columns are named by their source key. What is
asked is the files themselves; one that has not changed is not sent again.

Written from descriptions: no such file was ever seen by the authors of this module.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds.eia_series import FLAGS, GAS_SPOT, SERIES, STORAGE
from cbi_pipeline.feeds.errors import UnexpectedShape
from cbi_pipeline.feeds.file_body import (
    XLS,
    Cell,
    list_texts,
    read_day,
    read_sheet,
    refuse_file,
    write_text,
)
from cbi_pipeline.feeds.releases import date_release
from cbi_pipeline.feeds.source import PARSED_SCHEMA, Answer, Parsed, Pull, Series, Service, Source
from data_contracts.release import EASTERN

FEED = "eia_history"
BASE = "https://www.eia.gov"
CONTENTS, DATA = "Contents", "Data 1"

_KEYS, _FREQUENCY = "sourcekey", "frequency"
_FOLLOW = "Compare with the file on the EIA's own page; the feed must follow it"
#: A unit as a column's title says it in its last brackets, and what we call it. Any other is kept
#: as received and refused.
_UNITS = {
    "Dollars per Barrel": "USD/bbl",
    "Dollars per Gallon": "USD/gal",
    "Dollars per Million Btu": "USD/MMBtu",
    "Thousand Barrels": "kb",
    "Thousand Barrels per Day": "kb/d",
    "Percent": "percent",
    "Billion Cubic Feet": "Bcf",
}


def locate_file(member: Series) -> Series:
    """The series as its file has it."""
    subject = "ng" if member.group in (GAS_SPOT, STORAGE) else "pet"
    return replace(member, group=f"{subject}/hist_xls/{member.code}{member.frequency[0]}.xls")


def source(base: str = BASE, series: Sequence[Series] = SERIES) -> Source:
    """The history files as a source.

    Args:
        base: address of the agency's site.
        series: what can be asked for, as the API has it.
    """
    followed = tuple(map(locate_file, series))
    codes = {member.code: member for member in followed}

    def pulls(asked: Sequence[Series], newest: Mapping[str, date], today: date) -> list[Pull]:
        return [_make_pull(base, member) for member in asked]

    return Source(
        name=FEED,
        title="U.S. Energy Information Administration, history files",
        zone=ZoneInfo(EASTERN),
        series=followed,
        pulls=pulls,
        parse=lambda answer: parse(answer, codes),
        service=Service(
            base=base,
            credential=None,
            per_second=2,
            proof=lambda pull: FileProof(pull, codes),
            refusal=lambda answer: refuse_file(FEED, answer, XLS, "a workbook"),
            probe=_make_pull(base, followed[0]).url,
            has_files=True,
        ),
    )


def _make_pull(base: str, member: Series) -> Pull:
    return Pull(member.group, f"{base}/dnav/{member.group}", (member.id,), member.since)


class FileProof:
    """The file is the history of the series asked for, at its frequency."""

    def __init__(self, pull: Pull, codes: Mapping[str, Series]) -> None:
        self._pull, self._codes = pull, codes

    def add(self, answer: Answer) -> str | None:
        """Take the file; see ``Proof.add``."""
        columns = read_history(answer, self._codes).columns
        if self._pull.series != tuple(column.series.id for column in columns):
            raise _make_error(
                f"{self._pull.name}: asked for {self._pull.series[0]}, got "
                f"{', '.join(column.series.id for column in columns) or 'no series we follow'}"
            )
        return None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file that is a series we follow.

    Attributes:
        number: its number, from 0.
        series: the series.
        unit: its unit, as its title has it.
    """

    number: int
    series: Series
    unit: str


@dataclass(frozen=True, slots=True)
class History:
    """A file, read once.

    Attributes:
        columns: the series in it.
        first: number of the first row of data, from 1.
        rows: the rows of data.
    """

    columns: tuple[Column, ...]
    first: int
    rows: list[list[Cell]]

    @property
    def early(self) -> int:
        """Cells of days before those that are asked for."""
        return sum(_is_early(column.series, row) for column in self.columns for row in self.rows)


@lru_cache(maxsize=1)
def _read(answer: Answer) -> tuple[list[list[Cell]], list[list[Cell]]]:
    return (read_sheet(FEED, answer.body, DATA), read_sheet(FEED, answer.body, CONTENTS))


def read_history(answer: Answer, codes: Mapping[str, Series]) -> History:
    """Find the series in a file.

    Raises:
        IncompleteResponse: the file breaks off.
        UnexpectedShape: it has no sheet of data, or no row of source keys with titles below it, or
            says that its values are of another frequency.
    """
    rows, contents = _read(answer)
    keys = next((n for n, row in enumerate(rows) if _starts(row, _KEYS)), None)
    if keys is None or keys + 1 >= len(rows):
        raise _make_error(f"a file without a sheet {DATA!r} that names its columns by source keys")
    titles = list_texts(rows[keys + 1])
    columns = tuple(
        Column(number, codes[key], _read_unit(titles[number]))
        for number, key in enumerate(list_texts(rows[keys]))
        if number and key in codes
    )
    stated = _find_frequency(contents)
    for column in columns:
        if stated not in ("", column.series.frequency):
            raise _make_error(
                f"{column.series.id}: asked for {column.series.frequency} values, got {stated} ones"
            )
    return History(columns, keys + 3, rows[keys + 2 :])


def _starts(row: Sequence[Cell], word: str) -> bool:
    return bool(row) and write_text(row[0]).lower() == word


def _find_frequency(contents: Sequence[Sequence[Cell]]) -> str:
    """What the sheet of contents says of its data sheet; empty where it says nothing."""
    number = None
    for row in contents:
        texts = [text.lower() for text in list_texts(row)]
        if number is None:
            number = texts.index(_FREQUENCY) if _FREQUENCY in texts else None
        elif DATA.lower() in texts:
            return texts[number]
    return ""


def _read_unit(title: str) -> str:
    """The unit in the last brackets of a title."""
    unit = title.rpartition("(")[2].rpartition(")")[0]
    return _UNITS.get(unit, unit)


def parse(answer: Answer, codes: Mapping[str, Series]) -> Parsed:
    """Rows of a file: one per day and series.

    Raises:
        IncompleteResponse, UnexpectedShape: as :func:`read_history`.
    """
    history = read_history(answer, codes)
    lines = list(_list_lines(history))
    return Parsed(
        pl.DataFrame(lines, schema=dict(PARSED_SCHEMA), orient="row"),
        ignored={"before the first period that is asked for": history.early},
        source=lambda: pl.Series(list(_write_rows(history)), dtype=pl.String),
    )


def _list_lines(history: History) -> Iterator[tuple[object, ...]]:
    for column, number, row in _list_cells(history):
        cell = row[column.number] if column.number < len(row) else ""
        text, day = write_text(cell), read_day(row[0])
        yield (
            column.series.id,
            day,
            text or None,
            _read_number(cell),
            column.unit,
            FLAGS.get(text, "value") if text else "missing",
            None if day is None else date_release(column.series.family, day),
            "assumed",
            f"{DATA}, row {number}",
            "",
        )


def _write_rows(history: History) -> Iterator[str]:
    for _, _, row in _list_cells(history):
        yield json.dumps(list_texts(row))


def _list_cells(history: History) -> Iterator[tuple[Column, int, list[Cell]]]:
    """Every column of every row that is not blank, and the row's number."""
    for column in history.columns:
        for number, row in enumerate(history.rows, start=history.first):
            if any(cell != "" for cell in row) and not _is_early(column.series, row):
                yield column, number, row


def _is_early(series: Series, row: Sequence[Cell]) -> bool:
    day = read_day(row[0])
    return day is not None and day < series.since


def _read_number(cell: Cell) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float) or not math.isfinite(cell):
        return None
    return float(cell)


def _make_error(problem: str) -> UnexpectedShape:
    return UnexpectedShape(FEED, problem, _FOLLOW)
