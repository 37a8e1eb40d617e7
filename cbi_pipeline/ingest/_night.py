"""One night of a live feed: ask what is due, land it, and see whether it is all there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

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
from cbi_pipeline.ingest._client import Client, Patience
from cbi_pipeline.ingest._faults import Fault
from cbi_pipeline.ingest._held import Held
from cbi_pipeline.ledger import Ledger, Response, mask
from cbi_pipeline.warehouse import Warehouse

#: Both agencies date their periods in this zone.
AGENCY_ZONE = ZoneInfo("America/New_York")

#: After one of these no further question of the night would fare better.
_FEED_WIDE = (MissingCredential, RejectedCredential, RateLimited, FeedUnavailable)


@dataclass(frozen=True, slots=True)
class LandedPull:
    """One pull whose pages are all there.

    Attributes:
        pull: what was asked.
        responses: its pages, as they lie in the ledger.
        parsed: the rows of each page, their ``row_json`` left empty: source rows are long, and
            few are ever looked at.
    """

    pull: Pull
    responses: tuple[Response, ...]
    parsed: tuple[Parsed, ...]


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
    """

    feed: str
    at: datetime
    pulls: tuple[LandedPull, ...]
    faults: tuple[Fault, ...] = ()
    notices: tuple[str, ...] = ()
    requests: int = 0


@dataclass(slots=True)
class _Landing:
    """The landing of one pull in progress."""

    feed: LiveFeed
    client: Client
    ledger: Ledger
    now: datetime
    responses: list[Response] = field(default_factory=list)
    requests: int = 0

    def ask(self, url: str) -> Answer:
        """Ask, land the answer whatever it is, then judge it; its body comes back masked."""
        self.requests += 1
        answer, error = self.client.get(url)
        self.responses.append(
            self.ledger.land(
                feed=self.feed.name,
                url=url,
                body=answer.body,
                fetched_at=self.now,
                status=answer.status,
                headers=answer.headers,
                secrets=self.client.secrets,
            )
        )
        if error is not None:
            raise error
        return replace(answer, body=mask(answer.body, self.client.secrets).body)


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
        now: the instant on the profile's clock.
        patience: bounds of time and size.
        transport: seam for tests.
    """
    held = Held.of(warehouse, feed)
    try:
        client = Client(feed, secret, patience, transport)
    except FeedError as error:
        return Landed(feed.name, now, (), (Fault.of(error, "*"),))
    pulls: list[LandedPull] = []
    faults: list[Fault] = []
    requests = 0
    with client:
        for pull in feed.pulls(held.newest, now.astimezone(AGENCY_ZONE).date()):
            landing = _Landing(feed, client, ledger, now)
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
        return Landed(feed.name, now, tuple(pulls), tuple(faults), tuple(client.notices), requests)


def _complete(landing: _Landing, pull: Pull, held: Held) -> LandedPull:
    proof, rows, says_new = landing.feed.proof(pull), 0, False
    parsed: list[Parsed] = []
    next_url: str | None = pull.url
    while next_url is not None:
        answer = landing.ask(next_url)
        next_url = proof.add(answer)
        parsed.append(without_source(landing.feed.parse(answer)))
        if landing.feed.rows_in is not None:
            rows += landing.feed.rows_in(answer)
            says_new = says_new or not held.says_the_same(parsed[-1].frame)
    pages = tuple(landing.responses)
    unexplained = says_new or held.cells_in(pull) != rows * _series_per_row(pull)
    if landing.feed.count_url is not None and unexplained:
        _counted(landing, pull, rows)
    return LandedPull(pull, pages, tuple(parsed))


def without_source(page: Parsed) -> Parsed:
    """The page, its rows without the text they came from."""
    return replace(page, frame=page.frame.with_columns(row_json=pl.lit("")))


def _series_per_row(pull: Pull) -> int:
    markets = {name.rsplit(".", 1)[0] for name in pull.series}
    return len(pull.series) // len(markets)


def _counted(landing: _Landing, pull: Pull, rows: int) -> None:
    feed = landing.feed
    assert feed.count_url is not None and feed.count is not None
    counted = feed.count(landing.ask(feed.count_url(pull)))
    if counted != rows:
        raise IncompleteResponse(
            feed.name,
            f"{pull.name}: {rows} rows came, the service counts {counted}",
            "Nothing of this pull was used; the next run asks again",
        )
