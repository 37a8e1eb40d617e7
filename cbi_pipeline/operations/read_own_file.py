"""What a person's own file can be read off: its columns, how its dates and numbers are written.

Whatever can be meant in two ways is refused with the option that says which.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

from cbi_pipeline.feeds.own_cells import read_lines
from cbi_pipeline.feeds.own_reading import Order, Reading, find_format, read_day

#: Share of a column's cells that must be dates or numbers; the others are refused row by row.
_MOST = 0.9
_SEPARATORS = (",", ";", "\t", "|")
_EITHER_MARK = (Reading(order="ymd"), Reading(order="ymd", decimal=","))
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([.,]\d{3})+")


@dataclass(frozen=True, slots=True)
class Stated:
    """What a person says of a file; None where the file is to say it.

    Attributes:
        date_column: column of the period.
        price_column: column of the price.
        vintage_column: column of when each value was public.
        order: how a date is written.
        decimal: the mark before the fraction of a number.
        sheet: sheet of a workbook.
        release: when a period becomes public, in words.
    """

    date_column: str | None = None
    price_column: str | None = None
    vintage_column: str | None = None
    order: Order | None = None
    decimal: Literal[".", ","] | None = None
    sheet: str | None = None
    release: str | None = None


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file as it can be read.

    Attributes:
        reading: how.
        prices: day and value of each line that names both, in the file's order.
        words: what was read off it.
    """

    reading: Reading
    prices: tuple[tuple[date, float], ...]
    words: tuple[str, ...]

    def read_monthly(self) -> OwnFile:
        """The same with each day as the month that it lies in."""
        prices = tuple((day.replace(day=1), price) for day, price in self.prices)
        return replace(self, reading=replace(self.reading, monthly=True), prices=prices)


class Unclear(ValueError):
    """A file can be read in two ways or in none; the message says what to type."""


def read_own_file(file: Path, stated: Stated) -> OwnFile:
    """Find out how a file is read.

    Raises:
        FileNotFoundError: no such file.
        UnexpectedShape: its bytes are not what its name says.
        Unclear: it can be read in two ways, or in none.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} is no file")
    body, kind = file.read_bytes(), find_format(file)
    separator = _find_separator(body) if kind == "csv" else ","
    plain = Reading(kind=kind, separator=separator, sheet=stated.sheet or "")
    header, *lines = [line for line in read_lines(body, plain) if any(line)] or [[]]
    columns = _take_columns(header, lines)
    dates = _choose_date(columns, stated)
    order = stated.order or _find_order(dates, columns[dates])
    price = _choose_price(columns, {dates, stated.vintage_column}, stated)
    decimal = stated.decimal or _find_decimal(price, columns[price], separator)
    reading = replace(
        plain,
        date_column=dates,
        price_column=price,
        vintage_column=stated.vintage_column or "",
        order=order,
        decimal=decimal,
        release=stated.release or "",
    )
    if order == "iso" and not all(
        reading.is_missing(text) or reading.read_number(text) is not None for text in columns[price]
    ):
        reading = replace(reading, order="ymd")
    return _read(reading, columns)


def _read(reading: Reading, columns: dict[str, list[str]]) -> OwnFile:
    lines = zip(columns[reading.date_column], columns[reading.price_column], strict=True)
    prices = tuple(
        (day, value)
        for day_text, text in lines
        if (day := reading.read_period(day_text)) is not None
        and (value := reading.read_number(text)) is not None
    )
    if not prices:
        raise Unclear(
            f"no line has a date in {reading.date_column} and a number in {reading.price_column}"
        )
    shown = {"iso": "as YYYY-MM-DD", "ymd": "year first", "dmy": "day first", "mdy": "month first"}
    mark = "a comma" if reading.decimal == "," else "a point"
    words = (
        f"dates from the column {reading.date_column}, {shown[reading.order]}: "
        f"{min(day for day, _ in prices)} to {max(day for day, _ in prices)}",
        f"prices from the column {reading.price_column}, with {mark} before the fraction: "
        f"{len(prices):,} between {min(p for _, p in prices):g} and {max(p for _, p in prices):g}",
    )
    return OwnFile(reading, prices, words)


def _find_separator(body: bytes) -> str:
    head = body[:4096].decode("utf-8-sig", errors="replace").splitlines()[:20]
    rows = [line for line in head[:-1] or head if line.strip()]
    counts = {mark: min((line.count(mark) for line in rows), default=0) for mark in _SEPARATORS}
    best = max(counts.values())
    # With decimal commas each line has as many of those as of what parts its cells.
    likely = [mark for mark in (";", "\t", "|", ",") if counts[mark]]
    return likely[0] if best and likely else ","


def _take_columns(header: Sequence[str], lines: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Cells by column, of the lines that are as wide as the header."""
    if not lines:
        raise Unclear("the file has no line below its header")
    if all(_is_number(cell) or read_day(cell, "ymd") for cell in header if cell.strip()):
        raise Unclear(f"the first line, {', '.join(header)}, names no columns; write names there")
    whole = [line for line in lines if len(line) == len(header)]
    columns = {
        name: [line[n].strip() for line in whole] for n, name in enumerate(header) if name.strip()
    }
    if len(columns) < 2:
        raise Unclear(f"columns {', '.join(header)}: a date and a price are two")
    return columns


def _choose_date(columns: dict[str, list[str]], stated: Stated) -> str:
    if stated.date_column is not None:
        return _require_column(stated.date_column, columns, "--date")
    others = {stated.price_column, stated.vintage_column}
    orders: tuple[Order, ...] = (stated.order,) if stated.order else ("ymd", "dmy", "mdy")
    dated = [
        name
        for name, cells in columns.items()
        if name not in others
        and not _are_numbers(cells)
        and any(_share_dates(cells, order) >= _MOST for order in orders)
    ]
    if not dated:
        # Whole numbers such as 20200131 are dates where nothing else is.
        dated = [
            name
            for name, cells in columns.items()
            if name not in others and _share_dates(cells, "ymd") >= _MOST
        ]
    if len(dated) == 1:
        return dated[0]
    if not dated:
        raise Unclear(f"no column holds dates; say --date with one of {_list(columns)}")
    raise Unclear(f"the columns {_list(dated)} all hold dates; say which with --date")


def _choose_price(columns: dict[str, list[str]], others: set[str | None], stated: Stated) -> str:
    if stated.vintage_column is not None:
        _require_column(stated.vintage_column, columns, "--vintage")
    if stated.price_column is not None:
        return _require_column(stated.price_column, columns, "--price")
    rest = {name: cells for name, cells in columns.items() if name not in others}
    priced = [name for name, cells in rest.items() if _are_numbers(cells)]
    if len(priced) == 1:
        return priced[0]
    if not priced:
        raise Unclear(f"no column holds numbers; say --price with one of {_list(rest)}")
    raise Unclear(f"the columns {_list(priced)} all hold numbers; say which with --price")


def _require_column(name: str, columns: dict[str, list[str]], option: str) -> str:
    if name not in columns:
        raise Unclear(f"{option} {name}: no such column; there are {_list(columns)}")
    return name


def _find_order(column: str, cells: Sequence[str]) -> Order:
    if all(read_day(cell, "iso") for cell in cells if cell):
        return "iso"
    if _share_dates(cells, "ymd") >= _MOST:
        return "ymd"
    fits = [order for order in ("dmy", "mdy") if _share_dates(cells, order) >= _MOST]
    shown = next((cell for cell in cells if cell), "")
    if not fits:
        raise Unclear(f"the column {column} holds no dates that can be read, such as {shown!r}")
    if len(fits) == 2:
        raise Unclear(
            f"{shown} in the column {column} may be day or month first, and so may every other; "
            "say --date-order dmy or --date-order mdy"
        )
    return "dmy" if fits == ["dmy"] else "mdy"


def _find_decimal(column: str, cells: Sequence[str], separator: str) -> Literal[".", ","]:
    numbers = [cell for cell in cells if _is_number(cell)]
    marks = {_read_mark(cell, separator) for cell in numbers} - {None}
    if marks == {","}:
        return ","
    if marks <= {"."}:
        return "."
    shown = next(cell for cell in numbers if "," in cell or "." in cell)
    raise Unclear(
        f"{shown} in the column {column} may be a thousand or a fraction; say --decimal . or "
        "--decimal ,"
    )


def _read_mark(cell: str, separator: str) -> str | None:
    """The decimal mark that a number shows; None where it shows none, ``?`` where it may be one."""
    marks = [mark for mark in cell if mark in ".,"]
    if not marks:
        return None
    if len(set(marks)) == 2:
        return marks[-1]
    if len(marks) > 1:
        return "." if marks[0] == "," else ","
    # A point is a fraction, but where commas cannot part the cells since they mean something else.
    doubtful = marks[0] == "," or separator == ";"
    return "?" if doubtful and _THOUSANDS.fullmatch(cell) else marks[0]


def _share_dates(cells: Sequence[str], order: Order) -> float:
    filled = [cell for cell in cells if cell]
    return sum(read_day(cell, order) is not None for cell in filled) / max(len(filled), 1)


def _are_numbers(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if not _EITHER_MARK[0].is_missing(cell)]
    return bool(filled) and sum(map(_is_number, filled)) / len(filled) >= _MOST


def _is_number(cell: str) -> bool:
    return any(reading.read_number(cell) is not None for reading in _EITHER_MARK)


def _list(names: Sequence[str] | dict[str, list[str]]) -> str:
    return ", ".join(names)
