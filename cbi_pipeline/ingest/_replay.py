"""Replay: ingestions put together again from the ledger, the same bytes, asked and seen as then."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

import polars as pl

from cbi_pipeline.feeds import FILE_READERS, Pull, Series, Source
from cbi_pipeline.ingest._land import IN_ORDER, JUMPS_USED, STAMPS_READ, Landed, by_vintage
from cbi_pipeline.ingest._read import answer_of
from cbi_pipeline.ingest._screen import REFUSAL
from cbi_pipeline.ingest._stage import LandedPull
from cbi_pipeline.ledger import Entry, Ledger, LedgerDamaged, Response
from data_contracts.families import FAMILIES


@dataclass(frozen=True)
class Bytes:
    """Where an ingestion's bytes lie, and who can read them.

    Attributes:
        ledger: responses and their bytes.
        feeds: sources by name, beside those of files that come with the program.
    """

    ledger: Ledger
    feeds: Mapping[str, Source]

    @cached_property
    def _responses(self) -> dict[str, Response]:
        return {response.response_id: response for response in self.ledger.responses()}

    def response(self, entry: Entry, response_id: str) -> Response:
        """A response an ingestion used.

        Raises:
            LedgerDamaged: the manifest lacks it.
        """
        if response_id not in self._responses:
            raise LedgerDamaged(
                f"transaction {entry.txn_id} ({entry.feed}) used response {response_id}, which the "
                f"manifest lacks; restore {self.ledger.root} from a copy"
            )
        return self._responses[response_id]

    def feed(self, entry: Entry) -> Source:
        """The source of an ingestion, as it was then.

        Raises:
            ValueError: there is no such source any more.
        """
        kind = entry.feed.split(":")[0]
        found = FILE_READERS.get(kind) or self.feeds.get(kind)
        if found is None:
            raise ValueError(f"transaction {entry.txn_id} is of {entry.feed}, no feed there is now")
        return found if found.service is not None else _as_then(found, entry)

    def refused(self, entry: Entry) -> pl.DataFrame:
        """Rows an ingestion set aside, as ``REFUSAL``."""
        return pl.DataFrame(entry.refused, schema=REFUSAL)


def landed_then(entry: Entry, source: Bytes) -> tuple[Source, Landed]:
    """Source and landed pulls of an ingestion."""
    feed, as_answered = source.feed(entry), entry.question.get("order") != IN_ORDER
    sized = entry.question.get("jumps") != JUMPS_USED
    stamped = entry.question.get("stamps") == STAMPS_READ
    pulls = []
    for pull, names in _pulls(feed, entry, source):
        responses = [source.response(entry, name) for name in names]
        pages = ((one, feed.parse(answer_of(one, source.ledger))) for one in responses)
        landed = LandedPull.of(
            feed,
            pull,
            source.ledger,
            pages,
            as_answered=as_answered,
            sized=sized,
            stamped=stamped,
        )
        pulls.append(landed)
    ordered = tuple(pulls) if feed.service is not None else by_vintage(pulls)
    asked = dict.fromkeys(name for one in pulls for name in one.pull.series)
    return feed, Landed(entry.feed, entry.seen_at, ordered, asked=tuple(asked))


def contracts_today(entry: Entry) -> dict[str, str]:
    """Today's version of the contracts an ingestion was judged under, as far as they exist."""
    return {name: FAMILIES[name].version for name in entry.contracts if name in FAMILIES}


def _pulls(feed: Source, entry: Entry, source: Bytes) -> Iterator[tuple[Pull, list[str]]]:
    if feed.service is not None:
        yield from ((_pull(told), told["responses"]) for told in entry.question["pulls"])
        return
    carried = tuple(one.id for one in feed.series)
    for name in entry.question["responses"]:
        url = source.response(entry, name).url
        yield Pull(url, url, carried, date.min), [name]


def _as_then(reader: Source, entry: Entry) -> Source:
    # An entry of an earlier version of this program tells neither: nothing was judged by spans, and
    # every file was a whole history.
    spans = {
        name: (date.fromisoformat(first), date.fromisoformat(last))
        for name, (first, last) in entry.question.get("spans", {}).items()
    }
    until = datetime.fromisoformat(entry.question["known_until"])
    return replace(
        reader,
        name=entry.feed,
        series=tuple(_series(row, spans.get(row["series_id"])) for row in entry.question["series"]),
        closed=until if reader.closed is not None else None,
        adds=entry.question.get("adds", False),
    )


def _series(row: Mapping[str, Any], span: tuple[date, date] | None) -> Series:
    return Series(
        id=row["series_id"],
        code=row["series_id"],
        family=row["family"],
        name=row["name"],
        unit=row["unit"],
        frequency=row["frequency"],
        group="",
        since=date.min,
        dimensions=json.loads(row["dimensions"]),
        span=span,
        rights=row["rights"],
        origin=row["source"],
    )


def _pull(told: Mapping[str, Any]) -> Pull:
    last = told["last"]
    return Pull(
        name=told["name"],
        url=told["url"],
        series=tuple(told["series"]),
        first=date.fromisoformat(told["first"]),
        last=date.fromisoformat(last) if last else None,
    )
