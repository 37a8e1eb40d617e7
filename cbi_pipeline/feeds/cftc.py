"""The CFTC's Commitments of Traders from its Socrata service: legacy, disaggregated, financial.

The service leaves empty fields out of a row, truncates at its limit without a word, and states no
total. So the columns are named in the question, their presence is read from the answer's headers,
pages are ordered by report date and row id, and an answer that says anything new is counted by a
second question. The reports on futures alone and on futures and options combined have the same
columns; a row says which it is of.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds.cftc_series import DATASETS, SERIES, series_id
from cbi_pipeline.feeds.errors import (
    FeedError,
    IncompleteResponse,
    RejectedCredential,
    UnexpectedShape,
)
from cbi_pipeline.feeds.json_body import common_refusal, decode_json, error_body
from cbi_pipeline.feeds.source import (
    PARSED_SCHEMA,
    STRANGER,
    Answer,
    Credential,
    Parsed,
    Pull,
    Series,
    Service,
    Source,
)
from cbi_pipeline.feeds.windows import Window, number_parts, split_to_address, windows
from data_contracts.cftc import OPEN_INTEREST, measures
from data_contracts.cftc_release import cftc_weekly
from data_contracts.release import EASTERN

FEED = "cftc"
BASE = "https://publicreporting.cftc.gov"
#: The limit the service applies by itself: asking for more is what a silent cap would cut.
PAGE = 1000
AGAIN = timedelta(days=70)
DATE, CODE = "report_date_as_yyyy_mm_dd", "cftc_contract_market_code"
#: Unique, and in the order of the dates: a row that was replaced keeps its place.
ROW, SCOPE = "id", "futonly_or_combined"

_TOKEN = Credential(
    "CFTC_APP_TOKEN", "header", "X-App-Token", False, "https://publicreporting.cftc.gov"
)
_REPORTS = {dataset: report for report, dataset in DATASETS.items()}
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T|$)")
_YEARS = range(1900, 9000)
_AGAIN = "Nothing of this pull was used; the next run asks again"
_FOLLOW = "Compare with the data set's page; the feed must follow it"


def source(base: str = BASE, series: Sequence[Series] = SERIES, page: int = PAGE) -> Source:
    """The Commitments of Traders as a source.

    Args:
        base: address of the service.
        series: what can be asked for.
        page: rows asked for at once.
    """
    followed = tuple(series)
    ids = frozenset(member.id for member in followed)
    codes = frozenset(member.code for member in followed)

    def pulls(asked: Sequence[Series], newest: Mapping[str, date], today: date) -> list[Pull]:
        questions: list[Pull] = []
        for _, members in groupby(asked, key=lambda member: member.group):
            for window in windows(tuple(members), newest, today, AGAIN):
                parts = split_to_address(window, lambda part: _pull(base, page, part).url)
                questions.extend(number_parts([_pull(base, page, part) for part in parts]))
        return questions

    return Source(
        name=FEED,
        title="CFTC Commitments of Traders, futures only",
        zone=ZoneInfo(EASTERN),
        series=followed,
        pulls=pulls,
        parse=lambda answer: parse(answer, ids, codes),
        service=Service(
            base=base,
            credential=_TOKEN,
            per_second=2,
            proof=lambda pull: PagesProof(pull, page),
            refusal=refusal,
            probe=f"{base}/resource/{DATASETS['legacy']}.json?$select={DATE}&$limit=1",
            count_url=lambda pull: _count_url(base, pull),
            count=count,
            rows_in=lambda answer: len(_rows(answer)),
            values_per_row=_columns_asked,
        ),
    )


def _columns_asked(pull: Pull) -> int:
    # A row is one market's report, and every market is asked for the same columns.
    return len(pull.series) // len({name.rsplit(".", 1)[0] for name in pull.series})


def _pull(base: str, page: int, window: Window) -> Pull:
    report = window.series[0].group
    columns = [ROW, DATE, CODE, "cftc_market_code", SCOPE, *measures(report)]
    question = [
        ("$select", ",".join(columns)),
        ("$where", _where(window)),
        ("$order", f"{DATE},{ROW}"),
        ("$limit", str(page)),
        ("$offset", "0"),
    ]
    query = "&".join(f"{name}={quote(value, safe=':,')}" for name, value in question)
    return Pull(
        name=f"{report} {window.kind}",
        url=f"{base}/resource/{DATASETS[report]}.json?{query}",
        series=tuple(member.id for member in window.series),
        first=window.first,
        last=window.last,
    )


def _where(window: Window) -> str:
    codes = ",".join(f"'{code}'" for code in sorted({member.code for member in window.series}))
    until = f" and {DATE} <= '{window.last}T00:00:00.000'" if window.last else ""
    return f"{CODE} in ({codes}) and {DATE} >= '{window.first}T00:00:00.000'{until}"


def _count_url(base: str, pull: Pull) -> str:
    parts = urlsplit(pull.url)
    where = parse_qs(parts.query)["$where"][0]
    return f"{base}{parts.path}?$select=count(*)&$where={quote(where, safe=':,')}"


def count(answer: Answer) -> int:
    """The number of rows the service counts.

    Raises:
        UnexpectedShape: the answer holds no number.
    """
    rows = _rows(answer)
    try:
        return int(str(next(iter(rows[0].values()))))
    except (IndexError, StopIteration, ValueError):
        raise _make_error("a count that is no number") from None


def refusal(answer: Answer) -> FeedError | None:
    """What an answer that is no success means."""
    content = error_body(answer.body)
    if not content:
        return common_refusal(FEED, answer)
    words = str(content.get("message", ""))
    if answer.status == 403 and content.get("code") == "permission_denied":
        return RejectedCredential(
            FEED, f"the service refused the token ({words})", f"Correct or remove {_TOKEN.setting}"
        )
    if answer.status == 202:
        return IncompleteResponse(FEED, "the service is still preparing the answer", _AGAIN)
    if answer.status < 400:
        return UnexpectedShape(FEED, f"an object in place of rows: {words[:200]}", _FOLLOW)
    return common_refusal(FEED, answer)


class PagesProof:
    """No report comes twice, nothing unasked came along; a page that is not full is the last."""

    def __init__(self, pull: Pull, page: int) -> None:
        self._pull = pull
        self._page = page
        self._cells: set[tuple[str, str]] = set()
        self._rows = 0

    def add(self, answer: Answer) -> str | None:
        """Take a page; see ``Proof.add``."""
        rows = _rows(answer)
        _check_columns(answer, rows)
        self._check_asked(rows)
        self._cells |= {(_code(row), str(row.get(DATE))) for row in rows}
        self._rows += len(rows)
        if len(self._cells) < self._rows:
            # A row that comes twice hides one that does not come, however many are counted.
            raise IncompleteResponse(
                FEED, f"{self._pull.name}: pages overlap, or a report comes twice", _AGAIN
            )
        if len(rows) < self._page:
            return None
        return re.sub(r"&\$offset=[0-9]+", f"&$offset={self._rows}", self._pull.url)

    def _check_asked(self, rows: Sequence[Mapping[str, Any]]) -> None:
        asked = {name.split(".")[2] for name in self._pull.series}
        strangers = {_code(row) for row in rows} - asked
        if strangers:
            raise _make_error(f"markets not asked for: {', '.join(sorted(strangers)[:5])}")
        scopes = {scope for row in rows if (scope := _other_scope(row))}
        if scopes:
            raise _make_error(f"asked for futures only, got {min(scopes)}")
        days = [day for row in rows if (day := _day(row.get(DATE))) is not None]
        outside = [day for day in days if not self._pull.covers(day)]
        if outside:
            raise _make_error(f"report dates not asked for, e.g. {outside[0]}")


def parse(answer: Answer, followed: frozenset[str], codes: frozenset[str]) -> Parsed:
    """Rows of one page: one per column of each report row.

    Args:
        answer: the page.
        followed: ids of the series that can be asked for; their markets give no others.
        codes: these markets.

    Raises:
        UnexpectedShape: the page is no answer of this service, or a column is gone.
        IncompleteResponse: the page ends in the middle.
    """
    rows = _rows(answer)
    _check_columns(answer, rows)
    report, url = _report(answer), unquote(answer.url)
    lines = [
        line
        for position, row in enumerate(rows)
        for line in _lines(report, position, row)
        if line[0] in followed or line[0].split(".")[2] not in codes
    ]
    return Parsed(
        pl.DataFrame(lines, schema=dict(PARSED_SCHEMA), orient="row"),
        strangers=_strangers(report, rows, asked=SCOPE in url or OPEN_INTEREST not in url),
    )


def _strangers(report: str, rows: Sequence[Mapping[str, Any]], *, asked: bool) -> pl.DataFrame:
    """Rows of the report on futures and options, or of one that does not say which it is.

    Questions of earlier versions of this program did not ask for it.
    """
    scopes = [(number, row, _other_scope(row)) for number, row in enumerate(rows)]
    cells = [
        (f"[{number}].{column}", "futures_only", SCOPE, scope or "not stated")
        for number, row, scope in scopes
        if scope or (asked and ROW not in row and SCOPE not in row)
        for column in measures(report)
    ]
    return pl.DataFrame(cells, schema=STRANGER, orient="row")


def _other_scope(row: Mapping[str, Any]) -> str | None:
    """What a row says it is of, unless that is futures alone or it says nothing."""
    scope, name = row.get(SCOPE), str(row.get(ROW, "")).strip()
    if scope is not None and str(scope).strip().lower() != "futonly":
        return str(scope)
    return name if name.upper().endswith("C") else None


def _lines(report: str, position: int, row: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    day, code, source = _day(row.get(DATE)), _code(row), json.dumps(row)
    for column in measures(report):
        text = row.get(column)
        text = text if text is None or isinstance(text, str) else json.dumps(text)
        yield (
            series_id(report, code, column),
            day,
            text,
            _number(text),
            "contracts",
            "missing" if text is None else "value",
            None if day is None else _date_release(day),
            "assumed",
            f"[{position}].{column}",
            source,
        )


def _check_columns(answer: Answer, rows: Sequence[Mapping[str, Any]]) -> None:
    wanted = [DATE, CODE, *measures(_report(answer))]
    types = _types(answer)
    if types is not None:
        missing = [name for name in wanted if name not in types]
        retyped = [name for name in measures(_report(answer)) if types.get(name) == "boolean"]
    else:
        # Empty fields are left out of rows, so only a column absent from all of them is gone.
        missing = [name for name in wanted if rows and not any(name in row for row in rows)]
        retyped = []
    if missing:
        raise _make_error(f"columns are gone: {', '.join(missing)}")
    if retyped:
        raise _make_error(f"columns changed their type: {', '.join(retyped)}")


def _types(answer: Answer) -> Mapping[str, str] | None:
    """Columns of the answer and their types; None where its headers do not tell."""
    texts = [answer.headers.get(f"x-soda2-{name}") for name in ("fields", "types")]
    if texts[0] is None:
        return None
    try:
        names, kinds = (json.loads(text or "") for text in texts)
        return {str(name): str(kind) for name, kind in zip(names, kinds, strict=True)}
    except (TypeError, ValueError, RecursionError):
        raise _make_error("headers that do not list its columns with their types") from None


def _report(answer: Answer) -> str:
    dataset = urlsplit(answer.url).path.rsplit("/", 1)[-1].removesuffix(".json")
    if dataset not in _REPORTS:
        raise _make_error(f"a data set that is not followed: {dataset!r}")
    return _REPORTS[dataset]


@lru_cache(maxsize=1)
def _rows(answer: Answer) -> list[dict[str, Any]]:
    rows = decode_json(FEED, answer.body, _AGAIN)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _make_error("an answer that is no list of rows")
    return rows


def _code(row: Mapping[str, Any]) -> str:
    # Codes are text, padded with blanks in some years.
    return str(row.get(CODE, "")).strip()


def _number(text: str | None) -> float | None:
    value = float(text) if text is not None and _NUMBER.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def _day(text: object) -> date | None:
    return _read_day(text[:10]) if isinstance(text, str) and _DAY.match(text) else None


@lru_cache(maxsize=65536)
def _read_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in _YEARS else None


@lru_cache(maxsize=65536)
def _date_release(day: date) -> datetime:
    return cftc_weekly.rule(day)


def _make_error(problem: str) -> UnexpectedShape:
    return UnexpectedShape(FEED, problem, _FOLLOW)
