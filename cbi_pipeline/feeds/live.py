"""What a live feed is: how to sign, what to ask since last time, how to know it is all there.

A live feed is pure: it never touches the network, a clock or a key. The client of
``cbi_pipeline.ingest`` signs, paces, retries and lands; the feed says what to ask, what an answer
means, whether the pages of a pull are the whole of it, and turns each answer into rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal, Protocol
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cbi_pipeline.feeds.errors import FeedError, FeedUnavailable, RateLimited, UnexpectedShape
from cbi_pipeline.feeds.feed import Parsed

#: Most characters of an address, without the key. Servers and proxies refuse longer ones at 8,000,
#: some at 4,096; each answer's address is kept beside its bytes, so that long ones fill a ledger.
ADDRESS_LIMIT = 4000

#: Nights in which the whole history is read again once.
DEEP_NIGHTS = 30


@dataclass(frozen=True, slots=True)
class Credential:
    """How a service wants its key.

    Attributes:
        setting: environment variable that holds the key.
        place: where the service reads it.
        name: query parameter or header.
        required: whether the service refuses a call without it.
        obtain: where a person gets one.
    """

    setting: str
    place: Literal["query", "header"]
    name: str
    required: bool
    obtain: str


@dataclass(frozen=True, slots=True)
class LiveSeries:
    """One followed series of a live feed.

    Attributes:
        id: series id, agency first.
        code: the agency's code.
        family: contract family whose rules its rows keep.
        name: title.
        unit: unit of its values.
        frequency: how often a period occurs.
        group: what is asked for together, e.g. an API route.
        since: first period asked for.
        dimensions: further dimensions.
    """

    id: str
    code: str
    family: str
    name: str
    unit: str
    frequency: Literal["daily", "weekly", "monthly"]
    group: str
    since: date
    dimensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pull:
    """One question, answered in one or more pages.

    Attributes:
        name: what is asked, for people.
        url: address of the first page, without a key.
        series: ids asked for.
        first: first period asked for.
        last: last period asked for; None asks for everything since ``first``.
    """

    name: str
    url: str
    series: tuple[str, ...]
    first: date
    last: date | None = None

    def covers(self, period: date) -> bool:
        """Whether a period was asked for."""
        return self.first <= period and (self.last is None or period <= self.last)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a service, its headers in lower case."""

    url: str
    status: int
    headers: Mapping[str, str] = field(hash=False, compare=False)
    body: bytes


class Proof(Protocol):
    """Reads the pages of one pull in turn and knows when, and whether, they are all there."""

    def add(self, answer: Answer) -> str | None:
        """Take a page; return the next page's address, or None after the last.

        Raises:
            UnexpectedShape: the page is not what was asked for.
            IncompleteResponse: something of it is provably missing.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFeed:
    """One authenticated source.

    Attributes:
        name: short name, used in tables, logs and asset keys.
        title: name for people.
        base: address all requests start with.
        zone: where its periods are dated: a day there has not begun before midnight there.
        credential: how to sign; None when the service takes no key.
        per_second: requests a second we allow ourselves, below the published limit.
        series: followed series.
        pulls: (newest period held per series, today) to what is asked tonight.
        proof: a pull's proof of completeness.
        refusal: what an answer that is no success means; None when it is a success.
        parse: one answer to rows.
        probe: address of a cheap question that shows whether the key is accepted.
        count_url: address that counts a pull's source rows, where answers carry no total.
        count: reads the number from the answer to ``count_url``.
        rows_in: source rows in an answer, to compare with the count.
        values_per_row: series of a pull that one source row has a value of, where rows are counted.
        alone: the question for one period of some series that are asked for together, which is
            asked before their absence from a longer answer is believed; None where a count proves
            the longer answer whole.
    """

    name: str
    title: str
    base: str
    zone: ZoneInfo
    credential: Credential | None
    per_second: int
    series: tuple[LiveSeries, ...]
    pulls: Callable[[Mapping[str, date], date], Sequence[Pull]]
    proof: Callable[[Pull], Proof]
    refusal: Callable[[Answer], FeedError | None]
    parse: Callable[[Answer], Parsed]
    probe: str
    count_url: Callable[[Pull], str] | None = None
    count: Callable[[Answer], int] | None = None
    rows_in: Callable[[Answer], int] | None = None
    values_per_row: Callable[[Pull], int] | None = None
    alone: Callable[[Sequence[str], date], Pull] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Periods of some series to ask for together."""

    kind: Literal["history", "new", "again", "alone"]
    series: tuple[LiveSeries, ...]
    first: date
    last: date | None = None


def windows(
    series: Sequence[LiveSeries], held: Mapping[str, date], today: date, again: timedelta
) -> list[Window]:
    """Tonight's windows of one group of series that can be asked for together.

    Series never seen are asked for from their beginning. The others are asked for since the
    oldest of their last periods, less ``again`` for revisions; one that fell far behind gets a
    window of its own. One thirtieth of the history is read again each night, in slices whose
    bounds move once a year, so that an unchanged answer is the same bytes.
    """
    unseen = tuple(one for one in series if one.id not in held)
    seen = [one for one in series if one.id in held]
    found = []
    if unseen:
        found.append(Window("history", unseen, min(one.since for one in unseen)))
    for members in _near(seen, held, again):
        first = min(max(held[one.id] - again, one.since) for one in members)
        found.append(Window("new", members, first))
    if seen:
        oldest = min(held[one.id] for one in seen)
        found.extend(_slice(tuple(seen), oldest - again, today))
    return found


def split_to_address(window: Window, address: Callable[[Window], str]) -> list[Window]:
    """Windows that ask the same as one, each in an address that is not too long.

    Args:
        window: what to ask.
        address: the address that asks a window.

    Returns:
        The window itself where it fits. Series of one code stay together, and one code alone is
        asked for however long its address is.
    """
    codes = list(dict.fromkeys(one.code for one in window.series))
    if len(codes) == 1 or len(address(window)) <= ADDRESS_LIMIT:
        return [window]
    first = set(codes[: len(codes) // 2])
    halves = [
        tuple(one for one in window.series if (one.code in first) == is_first)
        for is_first in (True, False)
    ]
    return [
        part for half in halves for part in split_to_address(replace(window, series=half), address)
    ]


def number_parts(pulls: Sequence[Pull]) -> list[Pull]:
    """The pulls of one window, named apart where there are several."""
    if len(pulls) == 1:
        return list(pulls)
    return [
        replace(pull, name=f"{pull.name}, part {number} of {len(pulls)}")
        for number, pull in enumerate(pulls, 1)
    ]


def _near(
    seen: Sequence[LiveSeries], held: Mapping[str, date], again: timedelta
) -> list[tuple[LiveSeries, ...]]:
    buckets: list[list[LiveSeries]] = []
    for one in sorted(seen, key=lambda one: held[one.id], reverse=True):
        if buckets and held[buckets[-1][0].id] - held[one.id] <= again:
            buckets[-1].append(one)
        else:
            buckets.append([one])
    return [tuple(sorted(bucket, key=lambda one: one.code)) for bucket in buckets]


def _slice(series: tuple[LiveSeries, ...], recent: date, today: date) -> list[Window]:
    begin = min(one.since for one in series)
    end = date(today.year + 1, 1, 1)
    night = today.toordinal() % DEEP_NIGHTS
    days = (end - begin).days
    first = begin + timedelta(days=days * night // DEEP_NIGHTS)
    last = begin + timedelta(days=days * (night + 1) // DEEP_NIGHTS - 1)
    return [] if first >= recent else [Window("again", series, first, last)]


def common_refusal(feed: str, answer: Answer) -> FeedError | None:
    """What an answer's status and kind mean where the service's own words say nothing better."""
    host = urlsplit(answer.url).hostname
    again = f"Nothing was used; the next run asks {host} again"
    if answer.status == 429:
        return RateLimited(feed, f"{host} asks us to slow down (429)", again)
    if answer.status >= 500:
        return FeedUnavailable(feed, f"{host} answers {answer.status}", again)
    if answer.status >= 400:
        words = answer.body[:200].decode(errors="replace").strip()
        return UnexpectedShape(
            feed, f"{host} refuses our question ({answer.status}): {words}", _READ_CHANGES
        )
    kind = answer.headers.get("content-type", "")
    if "json" not in kind or answer.body.lstrip()[:1] not in (b"{", b"["):
        return FeedUnavailable(feed, f"{host} answers {kind or 'no type'} in place of JSON", again)
    return None


_READ_CHANGES = "Compare with the service's documentation; the feed must follow it"
