"""The EIA's API v2: daily spot prices, weekly petroleum supply and stocks, weekly gas storage.

Three habits of the service shape this file. The same series id carries several frequencies, so
the frequency is always sent and always checked. Success is not proof: a page may be cut short or
empty with status 200, so rows are counted against the total it states. Every number is text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby
from urllib.parse import parse_qs, quote, urlsplit
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds.eia_page import FEED, FOLLOW, UNUSED, Page, make_error, read_page
from cbi_pipeline.feeds.eia_series import FLAGS, SERIES, UNITS
from cbi_pipeline.feeds.errors import (
    FeedError,
    IncompleteResponse,
    RateLimited,
    RejectedCredential,
    UnexpectedShape,
)
from cbi_pipeline.feeds.json_body import common_refusal, error_body
from cbi_pipeline.feeds.releases import date_release
from cbi_pipeline.feeds.source import (
    PARSED_SCHEMA,
    Answer,
    Credential,
    Parsed,
    Pull,
    Series,
    Service,
    Source,
)
from cbi_pipeline.feeds.windows import Window, number_parts, split_to_address, windows
from data_contracts.release import EASTERN

BASE = "https://api.eia.gov/v2"
PAGE = 5000
AGAIN = timedelta(days=63)

_KEY = Credential("EIA_API_KEY", "query", "api_key", True, "https://www.eia.gov/opendata/")
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
# A success is long and is decoded later, once it is landed.
_ERROR = re.compile(rb'\s*\{\s*"error"')


def source(base: str = BASE, series: Sequence[Series] = SERIES, page: int = PAGE) -> Source:
    """The EIA as a source.

    Args:
        base: address of the API.
        series: what can be asked for.
        page: rows asked for at once, at most 5000.
    """
    followed = tuple(series)
    codes = {member.code: member for member in followed}
    first = followed[0]

    def pulls(asked: Sequence[Series], newest: Mapping[str, date], today: date) -> list[Pull]:
        questions: list[Pull] = []
        for _, members in groupby(sorted(asked, key=_group), key=_group):
            for window in windows(tuple(members), newest, today, AGAIN):
                parts = split_to_address(window, lambda part: _pull(base, page, part).url)
                questions.extend(number_parts([_pull(base, page, part) for part in parts]))
        return questions

    return Source(
        name=FEED,
        title="U.S. Energy Information Administration, API v2",
        zone=ZoneInfo(EASTERN),
        series=followed,
        pulls=pulls,
        parse=lambda answer: parse(answer, codes),
        service=Service(
            base=base,
            credential=_KEY,
            per_second=4,
            proof=lambda pull: PagesProof(pull, codes),
            refusal=refusal,
            alone=lambda names, period: _pull(base, page, _alone(followed, names, period)),
            probe=_pull(base, 1, Window("new", (first,), first.since)).url,
        ),
    )


def _alone(followed: Sequence[Series], names: Collection[str], period: date) -> Window:
    asked = tuple(member for member in followed if member.id in names)
    return Window("alone", asked, period, period)


def _group(member: Series) -> tuple[str, str]:
    return member.group, member.frequency


def _pull(base: str, page: int, window: Window) -> Pull:
    member = window.series[0]
    facets = [("facets[series][]", member.code) for member in window.series]
    ends = [("end", window.last.isoformat())] if window.last else []
    question = [
        ("frequency", member.frequency),
        ("data[0]", "value"),
        *facets,
        ("start", window.first.isoformat()),
        *ends,
        ("sort[0][column]", "period"),
        ("sort[0][direction]", "asc"),
        ("sort[1][column]", "series"),
        ("sort[1][direction]", "asc"),
        ("offset", "0"),
        ("length", str(page)),
    ]
    # The service needs its brackets as they are.
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in question)
    return Pull(
        name=f"{member.group} {member.frequency} {window.kind}",
        url=f"{base}/{member.group}/data/?{query}",
        series=tuple(member.id for member in window.series),
        first=window.first,
        last=window.last,
    )


def refusal(answer: Answer) -> FeedError | None:
    """What an answer that is no success means; the service has two shapes of error body."""
    is_told = answer.status != 200 or _ERROR.match(answer.body)
    content = error_body(answer.body) if is_told else {}
    error = content.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if code in ("API_KEY_INVALID", "API_KEY_MISSING") or answer.status in (401, 403):
        words = code or f"status {answer.status}"
        return RejectedCredential(
            FEED, f"the service refused the key ({words})", f"Correct {_KEY.setting}"
        )
    if code == "OVER_RATE_LIMIT":
        return RateLimited(FEED, "the key is over its rate limit", UNUSED)
    if error is not None and answer.status < 400:
        return UnexpectedShape(FEED, f"an error with status {answer.status}: {error}", FOLLOW)
    if isinstance(error, str) and content.get("code") in (400, 404):
        # Older releases sent their refusals with status 500; a retry would not help.
        return UnexpectedShape(FEED, f"the service refuses our question: {error}", FOLLOW)
    return common_refusal(FEED, answer)


class PagesProof:
    """All cells of a pull are there: no more and no fewer than the total, and nothing unasked.

    A row that comes twice hides one that does not come: what is counted are different cells.
    """

    def __init__(self, pull: Pull, codes: Mapping[str, Series]) -> None:
        self._pull = pull
        self._codes = {code for code, member in codes.items() if member.id in pull.series}
        self._total: int | None = None
        self._rows = self._cells = 0
        self._edge: tuple[str, set[str]] = ("", set())

    def add(self, answer: Answer) -> str | None:
        """Take a page; see ``Proof.add``."""
        page = read_page(answer)
        self._check_warnings(page)
        self._check_asked(page)
        in_order = self._check_order(page.table)
        total = page.total
        if self._total not in (None, total):
            raise self._make_error(f"the total changed from {self._total} to {total}")
        self._total = total
        self._rows += len(page.table)
        if self._rows > total:
            raise self._make_error(f"{self._rows} rows of a total of {total}")
        self._cells += page.table.select("series", "period").n_unique()
        if self._rows == total:
            self._check_cells()
            return None
        if page.table.is_empty():
            raise self._make_error(f"an empty page after {self._rows} of {total} rows")
        if not in_order:
            # Only in order does the next page begin where this one ends.
            raise self._make_error("pages that are not in the order asked for")
        offset = f"&offset={self._rows}&"
        return re.sub(r"&offset=[0-9]+&", offset, self._pull.url)

    def _check_warnings(self, page: Page) -> None:
        # A page cut at the service's limit says so; that more pages follow is what totals are for.
        other = [text for text in page.warnings if "incomplete return" not in text]
        if other:
            raise self._make_error(f"the service warns: {'; '.join(other)[:300]}")

    def _check_asked(self, page: Page) -> None:
        asked = parse_qs(urlsplit(self._pull.url).query)["frequency"][0]
        if page.frequency is None:
            raise make_error(f"asked for {asked} values, and the page does not say what its are")
        if page.frequency != asked:
            raise make_error(f"asked for {asked} values, got {page.frequency} ones")
        strangers = set(map(str, page.table["series"].unique())) - self._codes
        if strangers:
            raise make_error(f"series not asked for: {', '.join(sorted(strangers)[:5])}")
        low, high = self._pull.first.isoformat(), (self._pull.last or date.max).isoformat()
        outside = page.table.filter(
            ~pl.col("period").str.head(10).is_between(pl.lit(low), pl.lit(high))
        )
        readable = [text for text in outside["period"].unique() if _day(text)]
        if readable:
            raise make_error(f"periods not asked for, e.g. {min(readable)}")

    def _check_cells(self) -> None:
        repeated = self._rows - self._cells
        if repeated:
            raise self._make_error(
                f"{repeated} of {self._rows} rows repeat others, so as many may be missing"
            )

    def _check_order(self, table: pl.DataFrame) -> bool:
        """Check that no page repeats the one before; whether this one is in order itself."""
        if table.is_empty():
            return True
        period, keys = self._edge
        series, periods = table["series"], table["period"].fill_null("None")
        first, last = periods[0], periods[-1]
        if first < period or set(series.filter(periods == period)) & keys:
            raise self._make_error(f"a page repeats rows of the one before, at {first}")
        edge = set(series.filter(periods == last))
        self._edge = (last, edge | (keys if last == period else set()))
        return periods.is_sorted()

    def _make_error(self, problem: str) -> IncompleteResponse:
        return IncompleteResponse(FEED, f"{self._pull.name}: {problem}", UNUSED)


def parse(answer: Answer, codes: Mapping[str, Series]) -> Parsed:
    """Rows of one page.

    Raises:
        UnexpectedShape: the page is no answer of this API, or rows lack series, period or value.
        IncompleteResponse: the page ends in the middle.
    """
    page = read_page(answer)
    table = page.table
    if table.is_empty():
        return Parsed(pl.DataFrame(schema=dict(PARSED_SCHEMA)))
    ids = {code: member.id for code, member in codes.items()}
    text, day = pl.col("value"), pl.col("period").str.to_date("%Y-%m-%d", strict=False)
    number = pl.when(text.str.contains(_NUMBER)).then(text.cast(pl.Float64, strict=False))
    frame = table.select(
        series_id=pl.col("series").replace(ids).fill_null("null"),
        period=pl.when(pl.col("period").str.contains(_DAY)).then(day),
        value_text=text,
        value=pl.when(number.is_finite()).then(number),
        unit=pl.col("units").replace(UNITS).fill_null(""),
        status=pl.when(text.is_null())
        .then(pl.lit("missing"))
        .otherwise(text.str.strip_chars().replace_strict(FLAGS, default="value")),
        available_basis=pl.lit("assumed"),
        locator=pl.format("data[{}]", pl.int_range(pl.len())),
        row_json=pl.lit(""),
    )
    families = {member.id: member.family for member in codes.values()}
    dated = frame.with_columns(
        family=pl.col("series_id").replace_strict(families, default=None, return_dtype=pl.String)
    )
    return Parsed(
        dated.join(
            _releases(dated), on=["family", "period"], how="left", maintain_order="left"
        ).select(list(PARSED_SCHEMA)),
        source=page.source,
        strangers=_strangers(page, codes),
    )


def _strangers(page: Page, codes: Mapping[str, Series]) -> pl.DataFrame:
    """Rows of a page that is of another frequency than the series of that code.

    Daily, weekly and monthly values go by the same code; nothing but the page tells them apart.
    """
    frequencies = {code: member.frequency for code, member in codes.items()}
    stated = page.frequency or "not stated"
    own = pl.col("series").replace_strict(frequencies, default=stated, return_dtype=pl.String)
    return (
        page.table.select("series", locator=pl.format("data[{}]", pl.int_range(pl.len())))
        .filter(own != stated)
        .select(
            "locator",
            rule=pl.lit("frequency_of_series"),
            column_name=pl.lit("frequency"),
            offending=pl.lit(stated),
        )
    )


def _releases(dated: pl.DataFrame) -> pl.DataFrame:
    cells = dated.select("family", "period").unique().drop_nulls()
    releases = [date_release(name, day) for name, day in cells.iter_rows()]
    return cells.with_columns(available_at=pl.Series(releases, dtype=pl.Datetime("us", "UTC")))


def number(text: str | None) -> float | None:
    """The finite number a text spells, or None; ``.833`` is one, blanks and words are not."""
    if text is None or not re.fullmatch(_NUMBER, text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


@lru_cache(maxsize=65536)
def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text and re.fullmatch(_DAY, text) else None
    except ValueError:
        return None
