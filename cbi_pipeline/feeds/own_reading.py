"""How a person's own file is read: its columns, dates and numbers, and when these were public.

A reading travels in the address under which the bytes are kept, so that they are read the same way
whenever they are read again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Literal, get_args

from cbi_pipeline.feeds.eia import number
from cbi_pipeline.feeds.own_release import read_release

Format = Literal["csv", "xlsx", "parquet"]
#: ``iso`` is YYYY-MM-DD alone; the others take apart what people and spreadsheets write.
Order = Literal["iso", "ymd", "dmy", "mdy"]
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PLAIN_MISSING = ("", "NA", "null")
_MISSING = (*_PLAIN_MISSING, "N/A", "n/a", "#N/A", "NaN", "nan", "None", "-", "--", ".", "..")
_CLOCK = re.compile(r"[ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?$")
_SUFFIXES: Mapping[str, Format] = {
    ".xlsx": "xlsx",
    ".xls": "xlsx",
    ".parquet": "parquet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How one file is read; what is left as it is is the plain form, ``period,value``.

    Attributes:
        kind: what its bytes are.
        sheet: of a workbook, the sheet; the first that holds anything where empty.
        separator: of a CSV, what parts its cells.
        date_column: column of the period.
        price_column: column of the value.
        vintage_column: column of when each value was public; none where empty.
        order: how a date is written.
        decimal: the mark before the fraction of a number.
        monthly: whether a date stands for the month that it lies in.
        release: when a period becomes public, in words; since it was seen where empty.
    """

    kind: Format = "csv"
    sheet: str = ""
    separator: str = ","
    date_column: str = "period"
    price_column: str = "value"
    vintage_column: str = ""
    order: Order = "iso"
    decimal: Literal[".", ","] = "."
    monthly: bool = False
    release: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be read by.

        Raises:
            ValueError: says which field, and what it takes.
        """
        if self.order not in get_args(Order):
            raise ValueError(f"a date is written {', '.join(get_args(Order))}; not {self.order!r}")
        if self.decimal not in (".", ","):
            raise ValueError(f"the decimal mark is . or ,; not {self.decimal!r}")
        if len({self.date_column, self.price_column, self.vintage_column}) < 3:
            raise ValueError("date, price and when it was public are three columns")
        if self.release and self.vintage_column:
            raise ValueError("a release rule or a column of when values were public; not both")
        if self.release:
            read_release(self.release)

    @property
    def is_plain(self) -> bool:
        """Whether cells are written as ``cbi feeds import csv`` asks for."""
        return self.order == "iso" and self.decimal == "."

    def to_query(self) -> dict[str, str]:
        """What is stated of it in an address: every field that is not as usual."""
        usual = Reading()
        return {
            name: str(getattr(self, name))
            for name in (field.name for field in fields(self))
            if getattr(self, name) != getattr(usual, name)
        }

    @classmethod
    def from_query(cls, stated: Mapping[str, str]) -> Reading:
        """The reading that an address states, whatever else it states."""
        given: dict[str, object] = {
            field.name: stated[field.name] for field in fields(cls) if field.name in stated
        }
        return cls(**{**given, "monthly": given.get("monthly") == "True"})  # type: ignore[arg-type]

    def is_missing(self, text: str) -> bool:
        """Whether a cell says that there is no value."""
        return text in (_PLAIN_MISSING if self.is_plain else _MISSING)

    def read_number(self, text: str) -> float | None:
        """The number that a cell holds; None where it holds none."""
        if self.is_plain:
            return number(text)
        group = "." if self.decimal == "," else ","
        if re.fullmatch(rf"[+-]?\d{{1,3}}([{group}\u00a0 ]\d{{3}})+([{self.decimal}]\d*)?", text):
            text = re.sub(rf"[{group}\u00a0 ]", "", text)
        if self.decimal == ",":
            text = text.replace(".", "?").replace(",", ".")
        return number(text)

    def read_period(self, text: str) -> date | None:
        """The day, or the first of the month, that a cell names; None where it names none."""
        day = read_day(text, self.order)
        return day.replace(day=1) if day is not None and self.monthly else day

    def date_value(self, period: date | None, vintage: str) -> datetime | None:
        """When a value was public, as far as rule or column say it; None where neither does."""
        if self.vintage_column:
            return read_instant(vintage, self.order)
        if self.release and period is not None:
            return read_release(self.release).date_period(period)
        return None


def find_format(file: Path) -> Format:
    """What the bytes of a file are, by its name."""
    return _SUFFIXES.get(file.suffix.lower(), "csv")


def read_day(text: str, order: Order) -> date | None:
    """The day that a text names; the first of the month where it names one; None otherwise."""
    text = text.strip()
    if order == "iso":
        return _make_iso(text) if len(text) == 10 else None
    parts = split_date(text)
    try:
        return _assemble(parts, order)
    except ValueError:
        return None


def split_date(text: str) -> list[str]:
    """The parts of a date, without an hour; a month by its name as its number beside it."""
    return re.findall(r"\d+|[^\W\d_]+", _CLOCK.sub("", text.strip()))


def _assemble(parts: list[str], order: Order) -> date | None:
    if not all(part.isascii() for part in parts):
        return None
    words = [part for part in parts if part.isalpha()]
    numbers = [part for part in parts if part.isdigit()]
    years = [part for part in numbers if len(part) == 4]
    if words and words[0].lower() == "m" and len(parts) == 3:  # 1997M01
        words, parts = [], numbers
    if words:
        month = next((n for n, name in enumerate(_MONTHS, 1) if _is_month(words[0], name)), None)
        rest = [part for part in numbers if part not in years[:1]]
        if month is None or len(words) > 1 or not years or len(rest) > 1:
            return None
        return date(int(years[0]), month, int(rest[0]) if rest else 1)
    match [len(part) for part in numbers]:
        case [8]:
            text = numbers[0]
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        case [4, 1 | 2]:
            return date(int(numbers[0]), int(numbers[1]), 1)
        case [1 | 2, 4]:
            return date(int(numbers[1]), int(numbers[0]), 1)
        case [4, 1 | 2, 1 | 2]:
            return date(*map(int, numbers))
        case [1 | 2, 1 | 2, 4] if order in ("dmy", "mdy"):
            first, second, year = map(int, numbers)
            return date(year, second, first) if order == "dmy" else date(year, first, second)
    return None


def _is_month(word: str, name: str) -> bool:
    return len(word) >= 3 and word.lower().startswith(name)


def _make_iso(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read_instant(text: str, order: Order) -> datetime | None:
    """The instant that a text names, in UTC where it names no zone; a day alone is its end."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        moment = None
    if moment is not None and len(text.strip()) > 10:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    day = read_day(text, "ymd" if order == "iso" else order)
    return datetime.combine(day, time(23, 59), UTC) if day is not None else None
