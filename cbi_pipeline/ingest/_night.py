"""One night of a live feed: ask what is due, land it, and see whether it is all there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

import httpx
import polars as pl
from pydantic import SecretStr

from cbi_pipeline.feeds import (
    FeedError,
    FeedUnavailable,
    IncompleteResponse,
    MissingCredential,
    Parsed,
    RateLimited,
    RejectedCredential,
)
from cbi_pipeline.feeds.live import Answer, LiveFeed, Pull
from cbi_pipeline.ingest._absent import questions, require_absent
from cbi_pipeline.ingest._boundary import reading
from cbi_pipeline.ingest._client import Client, Patience
from cbi_pipeline.ingest._clock import Witness
from cbi_pipeline.ingest._faults import Fault
from cbi_pipeline.ingest._held import Cells, Held
from cbi_pipeline.ingest._spool import Blocks, Spool
from cbi_pipeline.ledger import Ledger, Response
from cbi_pipeline.warehouse import Warehouse

#: In what order a night's rows are judged, as its entry in the ledger says it.
IN_ORDER = "series, period"

#: After one of these no further question of the night would fare better.
_FEED_WIDE = (MissingCredential, RejectedCredential, RateLimited, FeedUnavailable)


@dataclass(frozen=True, slots=True)
class LandedPull:
    """One pull whose pages are all there.

    Attributes:
        pull: what was asked.
        responses: its pages, as they lie in the ledger.
        rows: the rows of all pages in turn, the number of the page before each ``locator``, their
            ``row_json`` left empty: source rows are long, and few are ever looked at.
        ignored: number of source rows that are no observations.
        as_answered: whether rows are judged in the order in which they came, as nights were that
            earlier versions of this program recorded, and not in the order of their periods.
    """

    pull: Pull
    responses: tuple[Response, ...]
    rows: Spool
    ignored: int
    as_answered: bool = False

    @classmethod
    def of(
        cls,
        feed: LiveFeed,
        pull: Pull,
        ledger: Ledger,
        pages: Iterable[tuple[Response, Parsed]],
        *,
        as_answered: bool = False,
    ) -> Self:
        """A pull of these pages."""
        rows, ignored = Spool(Blocks.of(feed, pull), ledger.root), 0
        responses: list[Response] = []
        for response, parsed in pages:
            rows.put(
                parsed.frame.with_columns(
                    locator=pl.format("{} {}", pl.lit(len(responses)), "locator"),
                    row_json=pl.lit(""),
                )
            )
            responses.append(response)
            ignored += sum(parsed.ignored.values())
        return cls(pull, tuple(responses), rows, ignored, as_answered)

    def fault(self, error: FeedError) -> Fault:
        """The fault an error in its answers makes, which were landed and are not used."""
        ids = [response.response_id for response in self.responses]
        return Fault.of(error, self.pull.name, ids)


@dataclass(frozen=True, slots=True)
class Landed:
    """What a night brought.

    Attributes:
        feed: feed asked.
        at: when.
        pulls: complete pulls.
        faults: what went wrong; the answers it concerns are landed but will not be used.
        notices: what a person should know although nothing is lost.
        requests: questions asked.
        has_witness: whether an answer gave its hour, and the clock agrees with it.
    """

    feed: str
    at: datetime
    pulls: tuple[LandedPull, ...]
    faults: tuple[Fault, ...] = ()
    notices: tuple[str, ...] = ()
    requests: int = 0
    has_witness: bool = False

    def unused(self, error: FeedError) -> Landed:
        """The same night, nothing of which may be used."""
        ids = [one.response_id for pull in self.pulls for one in pull.responses]
        ids += [name for fault in self.faults for name in fault.response_ids]
        return replace(self, pulls=(), faults=(Fault.of(error, "*", ids),))


@dataclass(slots=True)
class _Landing:
    """The landing of one pull in progress.

    Attributes:
        responses: answers so far.
        requests: questions so far.
        rows: source rows so far, and
        says_new: whether they say anything new, where the service is to count them.
    """

    feed: LiveFeed
    client: Client
    ledger: Ledger
    now: datetime
    witness: Witness
    responses: list[Response] = field(default_factory=list)
    requests: int = 0
    rows: int = 0
    says_new: bool = False

    def ask(self, url: str) -> tuple[Response, Answer]:
        """Ask, land the answer whatever it is, then judge it; its body is what was stored."""
        self.requests += 1
        answer, error = self.client.get(url)
        self.witness.hear(answer.headers)
        response = self.ledger.land(
            feed=self.feed.name,
            url=url,
            body=answer.body,
            fetched_at=self.now,
            status=answer.status,
            headers=answer.headers,
            secrets=self.client.secrets,
        )
        self.responses.append(response)
        if error is not None:
            raise error
        return response, replace(answer, body=self.ledger.body(response))

    def pages(self, pull: Pull, known: Cells | None) -> Iterator[tuple[Response, Parsed]]:
        """Every page of a pull in turn, proven to be whole when they end.

        Args:
            pull: what to ask.
            known: cells held already, where the service is to count its rows if they differ.
        """
        proof = self.feed.proof(pull)
        # The next page is on its way and on the disk while this one is read.
        with ThreadPoolExecutor(1) as ahead:
            coming: Future[tuple[Response, Answer]] | None = ahead.submit(self.ask, pull.url)
            while coming is not None:
                response, answer = coming.result()
                with reading(self.feed.name):
                    next_url = proof.add(answer)
                coming = ahead.submit(self.ask, next_url) if next_url is not None else None
                with reading(self.feed.name):
                    parsed = self.feed.parse(answer)
                    rows = self.feed.rows_in(answer) if self.feed.rows_in is not None else 0
                if known is not None:
                    self.rows += rows
                    self.says_new = self.says_new or len(known.news(parsed.frame)) > 0
                yield response, parsed


def land_night(
    feed: LiveFeed,
    secret: SecretStr | None,
    ledger: Ledger,
    warehouse: Warehouse,
    now: datetime,
    *,
    patience: Patience | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Landed:
    """Ask a live feed what is due and land every answer.

    Nothing is raised for what the service does: faults are returned, and the pulls that are
    whole are usable beside them.

    Args:
        feed: feed to ask.
        secret: its key.
        ledger: where answers go, masked.
        warehouse: what is held already decides what is asked.
        now: when it is asked and seen.
        patience: bounds of time and size.
        transport: seam for tests.
    """
    try:
        client = Client(feed, secret, patience, transport)
    except FeedError as error:
        return Landed(feed.name, now, (), (Fault.of(error, "*"),))
    pulls: list[LandedPull] = []
    faults: list[Fault] = []
    requests, witness = 0, Witness(now)
    with client, Held.published(warehouse, feed) as held:
        for pull in feed.pulls(held.newest, now.astimezone(feed.zone).date()):
            landing = _Landing(feed, client, ledger, now, witness)
            try:
                pulls.append(_complete(landing, pull, held))
            except FeedError as error:
                wide = isinstance(error, _FEED_WIDE)
                unused = [response.response_id for response in landing.responses]
                faults.append(Fault.of(error, "*" if wide else pull.name, unused))
                if wide:
                    break
            finally:
                requests += landing.requests
        notices = tuple(client.notices)
    landed = Landed(
        feed.name, now, tuple(pulls), tuple(faults), notices, requests, witness.has_spoken
    )
    wrong = witness.contradiction(feed.name)
    return landed if wrong is None else landed.unused(wrong)


def _complete(landing: _Landing, pull: Pull, held: Held) -> LandedPull:
    feed, known = landing.feed, None
    if feed.count_url is not None:
        known = held.cells(pull.series)
    landed = LandedPull.of(feed, pull, landing.ledger, landing.pages(pull, known))
    if known is not None:
        expected = landing.rows * (feed.values_per_row(pull) if feed.values_per_row else 1)
        if landing.says_new or len(known.within(pull)) != expected:
            _counted(landing, pull)
    _require_rows(feed, landed, held)
    for alone in questions(feed, landed.rows, pull, held):
        for _, parsed in landing.pages(alone, None):
            require_absent(pull, alone, parsed.frame, feed.name)
    return landed


def _require_rows(feed: LiveFeed, landed: LandedPull, held: Held) -> None:
    pull = landed.pull
    is_first = pull.last is None and held.sizes.keys().isdisjoint(pull.series)
    if is_first and not landed.rows.sizes().total():
        raise IncompleteResponse(
            feed.name,
            f"{pull.name}: not one row came of {pull.series[0]}"
            + (f" and {len(pull.series) - 1} other series" if len(pull.series) > 1 else ""),
            "Nothing is held of them; look whether the service still knows these series",
        )


def _counted(landing: _Landing, pull: Pull) -> None:
    feed, rows = landing.feed, landing.rows
    assert feed.count_url is not None and feed.count is not None
    _, answer = landing.ask(feed.count_url(pull))
    with reading(feed.name):
        counted = feed.count(answer)
    if counted != rows:
        raise IncompleteResponse(
            feed.name,
            f"{pull.name}: {rows} rows came, the service counts {counted}",
            "Nothing of this pull was used; the next run asks again",
        )
