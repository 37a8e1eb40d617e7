"""What a source is: how it is asked or opened, how its bytes become rows, when those were public.

A source is pure: it never touches the network, a clock or a key. ``cbi_pipeline.ingest`` signs,
paces, retries, opens and lands; the source says what to ask, what an answer means, whether the
pages of a pull are the whole of it, and turns each answer into rows. Files and services differ in
one member alone: ``service`` says how to talk to one, and a source without it reads files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds.errors import FeedError
from data_contracts.observation import PARSED
from data_contracts.versioned import OBSERVATIONS, VersionedTable

#: Columns and types of a parsed frame of observations, from the contract.
PARSED_SCHEMA: Mapping[str, pl.DataType] = MappingProxyType(PARSED.dtypes)

#: A row that its page shows to be none of the series it names.
STRANGER = {
    "locator": pl.String, "rule": pl.String, "column_name": pl.String, "offending": pl.String
}  # fmt: skip
NO_STRANGERS = pl.DataFrame(schema=STRANGER)


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
    location: Literal["query", "header"]
    name: str
    required: bool
    obtain: str


@dataclass(frozen=True, slots=True)
class Series:
    """One series that a source can be asked for.

    Attributes:
        id: series id, agency first.
        code: the agency's code.
        family: contract family whose rules its rows keep.
        name: title.
        unit: unit of its values.
        frequency: how often a period occurs.
        group: what is asked for together, e.g. an API route.
        since: first period asked for.
        dimensions: further dimensions; of bars ``dataset``, ``instrument`` and ``width``.
        report: id of the report that it is a column of; empty where its rows are its own.
        span: first and last period, in rising order, of a closed record; None where it goes on.
        rights: rights label; that of its family where None.
        origin: where its values come from, for people; title and group where None.
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
    report: str = ""
    span: tuple[date, date] | None = None
    rights: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Pull:
    """One question, answered in one or more pages; or one file to open.

    Attributes:
        name: what is asked, for people.
        url: address of the first page, without a key; it names the bytes in the ledger.
        series: ids asked for.
        first: first period asked for.
        last: last period asked for; None asks for everything since ``first``.
        path: the file that holds the bytes; None when they come over the network.
    """

    name: str
    url: str
    series: tuple[str, ...]
    first: date
    last: date | None = None
    path: Path | None = None

    def covers(self, period: date) -> bool:
        """Whether a period was asked for."""
        return self.first <= period and (self.last is None or period <= self.last)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a service, its headers in lower case; or one file, without any."""

    url: str
    status: int
    headers: Mapping[str, str] = field(hash=False, compare=False)
    body: bytes


@dataclass(frozen=True, slots=True)
class Parsed:
    """One answer as rows.

    Attributes:
        frame: columns and types of the parsed contract of the table that its source fills, of
            observations ``PARSED_SCHEMA``, one row per source row, in source order. A row whose
            date or value cannot be read is kept with null there.
        ignored: source rows that are none of the table's by rule, counted by reason.
        complete: series whose whole history the answer carries, so that a period absent from
            it is absent at the publisher.
        source: writes the source rows as JSON where ``frame`` has none in ``row_json``: that takes
            long, and few are ever looked at.
        strangers: rows of another frequency, report or the like than the series whose code they
            carry, as the page itself shows: columns of ``STRANGER``, at most one per row. A
            service's proof refuses such a page whole.
        later: the further parts of an answer that is too long to be held as rows, each parsed when
            it is asked for.
    """

    frame: pl.DataFrame
    ignored: Mapping[str, int] = field(default_factory=dict)
    complete: tuple[str, ...] = ()
    source: Callable[[], pl.Series] | None = None
    strangers: pl.DataFrame = field(default_factory=lambda: NO_STRANGERS)
    later: Iterable[Parsed] = ()

    def parts(self) -> Iterator[Parsed]:
        """The answer a part after the other; most have one alone."""
        yield self
        yield from self.later

    @property
    def sourced(self) -> pl.DataFrame:
        """The frame, each row with the source row it came from."""
        if self.source is None:
            return self.frame
        return self.frame.with_columns(row_json=self.source())


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
class Service:
    """How to talk to a service.

    Attributes:
        base: address all requests start with.
        credential: how to sign; None when the service takes no key.
        per_second: requests a second we allow ourselves, below the published limit.
        proof: a pull's proof of completeness.
        refusal: what an answer that is no success means; None when it is a success.
        probe: address of a cheap question that shows whether the key is accepted.
        has_files: whether its answers are whole files, which are asked for again only where they
            have changed, and of which few periods may be gone at once.
        count_url: address that counts a pull's source rows, where answers carry no total.
        count: reads the number from the answer to ``count_url``.
        rows_in: source rows in an answer, to compare with the count.
        values_per_row: series of a pull that one source row has a value of, where rows are counted.
        alone: the question for one period of some series that are asked for together, which is
            asked before their absence from a longer answer is believed; None where a count proves
            the longer answer whole.
    """

    base: str
    credential: Credential | None
    per_second: int
    proof: Callable[[Pull], Proof]
    refusal: Callable[[Answer], FeedError | None]
    probe: str
    has_files: bool = False
    count_url: Callable[[Pull], str] | None = None
    count: Callable[[Answer], int] | None = None
    rows_in: Callable[[Answer], int] | None = None
    values_per_row: Callable[[Pull], int] | None = None
    alone: Callable[[Sequence[str], date], Pull] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source: archive files, a user's own file, a live service.

    Attributes:
        name: short name, used in tables, logs and asset keys.
        title: name for people.
        zone: where its periods are dated: a day there has not begun before midnight there.
        series: what can be asked for.
        pulls: (series asked for, newest period held per series, today) to what is asked tonight, or
            to the files to open; may raise a ``FeedError``.
        parse: one answer to rows, pure; raises ``UnexpectedShape`` only when no row can be read.
        service: how to talk to the service; None where files are read. A file is all there is of
            its periods, and is used whole or not at all.
        closed: the last instant at which a value of a closed record became public; its rows keep
            the dates that their source gives them. None where values still come.
        adds: whether a file adds to what is held, and says nothing of the periods it lacks.
        table: the contract table that it fills.
        examine: reads its files without using them, and says what a person should know of them;
            raises a ``FeedError`` where one is not what it should be. None where there is nothing
            to compare them with.
    """

    name: str
    title: str
    zone: ZoneInfo
    series: tuple[Series, ...]
    pulls: Callable[[Sequence[Series], Mapping[str, date], date], Sequence[Pull]]
    parse: Callable[[Answer], Parsed]
    service: Service | None = None
    closed: datetime | None = None
    adds: bool = False
    table: VersionedTable = OBSERVATIONS
    examine: Callable[[], Sequence[str]] | None = None

    def __post_init__(self) -> None:
        """Refuse a series whose rows would not say what they are rows of.

        Raises:
            ValueError: a series lacks a dimension that its table is keyed by, or is not called
                after them, so that two could share a row.
        """
        for series in self.series if self.table.identity else ():
            named = ".".join(series.dimensions.get(name, "") for name in self.table.identity)
            if series.id != named:
                keys = ", ".join(self.table.identity)
                raise ValueError(
                    f"{self.name}: the series {series.id!r} of {self.table.name} must be called "
                    f"after its dimensions {keys}: {named!r}"
                )

    @property
    def has_files(self) -> bool:
        """Whether it is a service whose answers are whole files."""
        return self.service is not None and self.service.has_files

    @property
    def asked(self) -> Service:
        """The service.

        Raises:
            ValueError: it reads files.
        """
        if self.service is None:
            raise ValueError(f"{self.name} reads files; there is no service to ask")
        return self.service

    def series_of(self, names: Collection[str]) -> tuple[Series, ...]:
        """The series that some names ask for.

        Args:
            names: ids of series and of reports. A report is asked for whole, whichever of its
                columns is named: one source row has them all, and its contract judges them
                together.
        """
        wanted = set(names)
        reports = {
            series.report for series in self.series if wanted & {series.id, series.report}
        } - {""}
        return tuple(
            series for series in self.series if series.id in wanted or series.report in reports
        )
