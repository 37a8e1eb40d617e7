"""The World Bank's Pink Sheet: monthly means of commodity prices, one workbook for all.

The workbook's address changes with every release, so the landing page is asked first and names it.
The row of names is looked for and not counted to: a row of codes below it comes and goes. The date
that a release gives itself has been wrong by a year, and is not read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds.errors import FeedError, UnexpectedShape
from cbi_pipeline.feeds.file_body import ZIP, Cell, list_texts, read_sheet, refuse_file, write_text
from cbi_pipeline.feeds.releases import date_release
from cbi_pipeline.feeds.source import PARSED_SCHEMA, Answer, Parsed, Pull, Series, Service, Source
from data_contracts.release import EASTERN
from data_contracts.world_bank import WORLD_BANK_MONTHLY

FEED = "worldbank"
BASE = "https://www.worldbank.org"
PAGE = "/en/research/commodity-markets"
WORKBOOK = "CMO-Historical-Data-Monthly.xlsx"
SHEET = "Monthly Prices"

_LINK = re.compile(rb"""["']([^"'<>\s]*/""" + re.escape(WORKBOOK.encode()) + rb""")["']""")
_MONTH = re.compile(r"([0-9]{4})M(0[1-9]|1[0-2])")
_ANY_MONTH = re.compile(r"[0-9]{4}M[0-9]{1,2}")
#: One character and two spellings by points, all for a month without a price.
_MISSING = ("", "…", "...", "..")
#: Ends a name where a note applies, and comes and goes.
_NOTED = "**"
_UNITS = {"($/mt)": "USD/t", "($/troy oz)": "USD/oz"}
_FOLLOW = "Compare with the workbook on the Bank's own page; the feed must follow it"


def _declare(name: str, code: str, unit: str) -> Series:
    return Series(
        f"WB.{name}",
        code,
        WORLD_BANK_MONTHLY.name,
        f"{code}, monthly mean",
        unit,
        "monthly",
        "Pink Sheet",
        date(1960, 1, 1),
    )


SERIES = (
    _declare("SOYBEAN_OIL", "Soybean oil", "USD/t"),
    _declare("PALM_OIL", "Palm oil", "USD/t"),
    _declare("MAIZE", "Maize", "USD/t"),
    _declare("WHEAT_HRW", "Wheat, US HRW", "USD/t"),
    _declare("COPPER", "Copper", "USD/t"),
    _declare("GOLD", "Gold", "USD/oz"),
)


def source(base: str = BASE, series: Sequence[Series] = SERIES) -> Source:
    """The Pink Sheet as a source.

    Args:
        base: address of the Bank's site.
        series: what can be asked for.
    """
    followed = tuple(series)

    def pulls(asked: Sequence[Series], newest: Mapping[str, date], today: date) -> list[Pull]:
        names = tuple(member.id for member in asked)
        first = min((member.since for member in asked), default=today)
        return [Pull("Pink Sheet", base + PAGE, names, first)] if names else []

    return Source(
        name=FEED,
        title="World Bank Commodity Price Data (The Pink Sheet)",
        zone=ZoneInfo(EASTERN),
        series=followed,
        pulls=pulls,
        parse=lambda answer: parse(answer, followed),
        service=Service(
            base=base,
            credential=None,
            per_second=1,
            proof=lambda pull: WorkbookProof(pull, followed, base),
            refusal=refusal,
            probe=base + PAGE,
            has_files=True,
        ),
    )


def _is_workbook(answer: Answer) -> bool:
    return urlsplit(answer.url).path.endswith(".xlsx")


def refusal(answer: Answer) -> FeedError | None:
    """What an answer means that is neither the page nor the workbook."""
    if _is_workbook(answer):
        return refuse_file(FEED, answer, ZIP, "a workbook")
    return refuse_file(FEED, answer, b"", "a page")


class WorkbookProof:
    """The page names a workbook of the Bank's, and that has every column asked for."""

    def __init__(self, pull: Pull, series: Sequence[Series], base: str) -> None:
        self._asked = [member for member in series if member.id in pull.series]
        self._hosts = {urlsplit(base).netloc}

    def add(self, answer: Answer) -> str | None:
        """Take the page or the workbook; see ``Proof.add``."""
        if not _is_workbook(answer):
            return self._find_workbook(answer)
        rows = read_rows(answer)
        names = _list_names(rows[_find_names(rows, self._asked)])
        for member in self._asked:
            if names.count(member.code) != 1:
                raise _make_error(f"{names.count(member.code)} columns are named {member.code!r}")
        return None

    def _find_workbook(self, answer: Answer) -> str:
        link = _LINK.search(answer.body)
        if link is None:
            raise _make_error(f"the page names no {WORKBOOK}")
        address: str = urljoin(answer.url, link[1].decode(errors="replace"))
        parts = urlsplit(address)
        own = parts.scheme == "https" and f".{parts.hostname}".endswith(".worldbank.org")
        if not own and parts.netloc not in self._hosts:
            raise _make_error(f"the page names a workbook of another host, {parts.hostname}")
        return address


@lru_cache(maxsize=1)
def read_rows(answer: Answer) -> list[list[Cell]]:
    """The rows of the sheet of prices.

    Raises:
        IncompleteResponse: the workbook is damaged or breaks off.
        UnexpectedShape: it has no such sheet.
    """
    rows = read_sheet(FEED, answer.body, SHEET)
    if not rows:
        raise _make_error(f"a workbook without a sheet {SHEET!r}")
    return rows


def _find_names(rows: Sequence[Sequence[Cell]], series: Sequence[Series]) -> int:
    """Number of the row of names: that above the months with most of the names we look for."""
    months = next((n for n, row in enumerate(rows) if _ANY_MONTH.fullmatch(_first(row))), 0)
    wanted = {member.code for member in series}
    counts = [len(wanted.intersection(_list_names(row))) for row in rows[:months]]
    if not any(counts):
        raise _make_error("a sheet without a row of names above its months")
    return counts.index(max(counts))


def _first(row: Sequence[Cell]) -> str:
    return write_text(row[0]) if row else ""


def _list_names(row: Sequence[Cell]) -> list[str]:
    return [text.removesuffix(_NOTED).strip() for text in list_texts(row)]


def parse(answer: Answer, series: Sequence[Series]) -> Parsed:
    """Rows of the workbook: one per month and series; none of the page that names it.

    Raises:
        IncompleteResponse, UnexpectedShape: the workbook cannot be read.
    """
    if not _is_workbook(answer):
        return Parsed(pl.DataFrame(schema=dict(PARSED_SCHEMA)))
    lines = list(_list_lines(read_rows(answer), series))
    return Parsed(
        pl.DataFrame([(*line[:-1], "") for line in lines], dict(PARSED_SCHEMA), orient="row"),
        source=lambda: pl.Series([str(line[-1]) for line in lines], dtype=pl.String),
    )


def _list_lines(
    rows: Sequence[Sequence[Cell]], series: Sequence[Series]
) -> Iterator[tuple[object, ...]]:
    start = _find_names(rows, series)
    names, units = _list_names(rows[start]), list_texts(rows[start + 1])
    for member in series:
        if member.code not in names:
            continue
        column = names.index(member.code)
        unit = _UNITS.get(units[column], units[column])
        for number, row in enumerate(rows[start + 2 :], start=start + 3):
            if not _ANY_MONTH.fullmatch(_first(row)):
                continue
            cell, month = row[column], _read_month(_first(row))
            text = write_text(cell)
            yield (
                member.id,
                month,
                text,
                _read_number(cell),
                unit,
                "missing" if text in _MISSING else "value",
                None if month is None else date_release(member.family, month),
                "assumed",
                f"{SHEET}, row {number}, {member.code}",
                json.dumps([_first(row), text]),
            )


def _read_month(text: str) -> date | None:
    month = _MONTH.fullmatch(text)
    return date(int(month[1]), int(month[2]), 1) if month and int(month[1]) >= 1900 else None


def _read_number(cell: Cell) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float) or not math.isfinite(cell):
        return None
    return float(cell)


def _make_error(problem: str) -> UnexpectedShape:
    return UnexpectedShape(FEED, problem, _FOLLOW)
