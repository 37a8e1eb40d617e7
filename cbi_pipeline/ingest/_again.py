"""Ingestions put together again from the ledger: the same bytes, asked and seen as then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

import polars as pl

from cbi_pipeline.feeds import Feed
from cbi_pipeline.feeds.archive_rows import FEED as ARCHIVE
from cbi_pipeline.feeds.archive_rows import parse as parse_archive
from cbi_pipeline.feeds.live import LiveFeed, Pull
from cbi_pipeline.ingest._engine import Prepared, prepare
from cbi_pipeline.ingest._import import read_at
from cbi_pipeline.ingest._night import IN_ORDER, Landed, LandedPull
from cbi_pipeline.ingest._read import answer_of
from cbi_pipeline.ingest._screen import REFUSAL
from cbi_pipeline.ledger import Entry, Ledger, LedgerDamaged, Response
from data_contracts.families import family
from data_contracts.reference import SERIES


@dataclass(frozen=True)
class Bytes:
    """Where an ingestion's bytes lie, and who can read them.

    Attributes:
        ledger: responses and their bytes.
        feeds: live feeds by name.
    """

    ledger: Ledger
    feeds: Mapping[str, LiveFeed]

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

    def feed(self, entry: Entry) -> LiveFeed:
        """The live feed of an ingestion.

        Raises:
            ValueError: there is no such feed any more.
        """
        if entry.feed not in self.feeds:
            raise ValueError(f"transaction {entry.txn_id} is of {entry.feed}, no feed there is now")
        return self.feeds[entry.feed]

    def refused(self, entry: Entry) -> pl.DataFrame:
        """Rows an ingestion set aside, as ``REFUSAL``."""
        return pl.DataFrame(entry.refused, schema=REFUSAL)


def delivery(entry: Entry, source: Bytes, refused: pl.DataFrame) -> tuple[pl.DataFrame, Prepared]:
    """Series and rows of an ingestion of files."""
    told = pl.DataFrame(entry.question["series"], schema=SERIES.dtypes)
    versions = {name: family(name).version for name in told["family"].unique()}
    series = told.with_columns(contract_version=pl.col("family").replace_strict(versions))
    prepared = prepare(
        _file_feed(entry),
        [source.response(entry, name) for name in entry.question["responses"]],
        source.ledger,
        series,
        datetime.fromisoformat(entry.question["known_until"]),
        refused,
    )
    return series, prepared


def night(entry: Entry, source: Bytes) -> tuple[LiveFeed, Landed]:
    """Feed and landed pulls of a night."""
    feed, as_answered = source.feed(entry), entry.question.get("order") != IN_ORDER
    pulls = []
    for told in pulls_of(entry):
        responses = [source.response(entry, name) for name in told["responses"]]
        pages = ((one, feed.parse(answer_of(one, source.ledger))) for one in responses)
        pulls.append(
            LandedPull.of(feed, _pull(told), source.ledger, pages, as_answered=as_answered)
        )
    return feed, Landed(entry.feed, entry.seen_at, tuple(pulls))


def pulls_of(entry: Entry) -> list[dict[str, Any]]:
    """The pulls of a night as its entry tells them."""
    return list(entry.question["pulls"])


def _file_feed(entry: Entry) -> Feed:
    # An entry of an earlier version of this program tells neither: nothing was judged by spans, and
    # every file was a whole history.
    adds = entry.question.get("adds", False)
    parse = parse_archive if entry.feed == ARCHIVE else read_at(entry.seen_at, adds=adds)
    spans = {
        name: (date.fromisoformat(first), date.fromisoformat(last))
        for name, (first, last) in entry.question.get("spans", {}).items()
    }
    return Feed(entry.feed, entry.feed, tuple, parse, spans, adds)


def _pull(told: Mapping[str, Any]) -> Pull:
    last = told["last"]
    return Pull(
        name=told["name"],
        url=told["url"],
        series=tuple(told["series"]),
        first=date.fromisoformat(told["first"]),
        last=date.fromisoformat(last) if last else None,
    )
