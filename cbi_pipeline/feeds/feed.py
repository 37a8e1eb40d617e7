"""What a feed is: requests out, bytes in, one typed frame out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType

import polars as pl

from data_contracts.observation import PARSED

#: A row that its page shows to be none of the series it names.
STRANGER = {
    "locator": pl.String, "rule": pl.String, "column_name": pl.String, "offending": pl.String
}  # fmt: skip
NO_STRANGERS = pl.DataFrame(schema=STRANGER)

#: Columns and types of every parsed frame, from the contract.
PARSED_SCHEMA: Mapping[str, pl.DataType] = MappingProxyType(PARSED.dtypes)


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to fetch.

    Attributes:
        url: address, which also names the response in the ledger.
        path: local file that holds the bytes; None when they come over the network.
        headers: request headers, without secrets.
    """

    url: str
    path: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """One response as rows.

    Attributes:
        frame: columns and types of ``PARSED_SCHEMA``, one row per source row, in source order.
            A row whose date or value cannot be read is kept with null there.
        ignored: source rows that are not observations by rule, counted by reason.
        complete: series whose whole history the response carries, so that a period absent from
            it is absent at the publisher.
        source: writes the source rows as JSON where ``frame`` has none in ``row_json``: that takes
            long, and few are ever looked at.
        strangers: rows of another frequency, report or the like than the series whose code they
            carry, as the page itself shows: columns of ``STRANGER``, at most one per row. A live
            feed's proof refuses such a page whole.
    """

    frame: pl.DataFrame
    ignored: Mapping[str, int] = field(default_factory=dict)
    complete: tuple[str, ...] = ()
    source: Callable[[], pl.Series] | None = None
    strangers: pl.DataFrame = field(default_factory=lambda: NO_STRANGERS)

    @property
    def sourced(self) -> pl.DataFrame:
        """The frame, each row with the source row it came from."""
        if self.source is None:
            return self.frame
        return self.frame.with_columns(row_json=self.source())


@dataclass(frozen=True, slots=True)
class Feed:
    """One source: what to ask for, and how to read an answer.

    Attributes:
        name: short name, used in tables, logs and asset keys.
        title: name for people.
        requests: what to fetch now; may raise a ``FeedError``.
        parse: (url, body) to rows, pure; raises ``UnexpectedShape`` only when no row can be read.
        spans: first and last period of each series whose record is closed: its publisher's rows
            all lie between them, in rising order.
        adds: whether an answer adds to what is held, and says nothing of the periods it lacks.
    """

    name: str
    title: str
    requests: Callable[[], Sequence[Request]]
    parse: Callable[[str, bytes], Parsed]
    spans: Mapping[str, tuple[date, date]] = field(default_factory=dict)
    adds: bool = False
