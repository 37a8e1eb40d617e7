"""Landing: ask a service what is due or open files, store the bytes, see that all is there.

What a night brings is dated by the clock, so its pulls are usable where the clock is believed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

import httpx
from pydantic import SecretStr

from cbi_pipeline.feeds import (
    Answer,
    ClockInDoubt,
    FeedError,
    FeedUnavailable,
    IncompleteResponse,
    MissingCredential,
    Parsed,
    Pull,
    RateLimited,
    RejectedCredential,
    Series,
    Source,
)
from cbi_pipeline.ingest._client import Client, Patience
from cbi_pipeline.ingest._clock import Witness, settle_clock
from cbi_pipeline.ingest._conditions import Earlier
from cbi_pipeline.ingest._incidents import Fault, turn_into_faults
from cbi_pipeline.ingest._plausibility import Absences
from cbi_pipeline.ingest._stage import LandedPull, parse_landed
from cbi_pipeline.ingest._stored import END_OF_TIME, Cells, Stored
from cbi_pipeline.ledger import Ledger, Response
from cbi_pipeline.warehouse import Warehouse

#: In what order a night's rows are judged, as its entry in the ledger says it.
IN_ORDER = "series, period"
#: What becomes of a value far from those before it that no factor explains, as the entry says it.
JUMPS_USED = "used"
#: What dates a newer period beside its release rule where its contract says so, as the entry says.
STAMPS_READ = "last-modified"
#: How a night of today is judged, as its entry says it.
JUDGED_AS = {"order": IN_ORDER, "jumps": JUMPS_USED, "stamps": STAMPS_READ}

#: After one of these no further question of the night would fare better.
_FEED_WIDE = (MissingCredential, RejectedCredential, RateLimited, FeedUnavailable)


@dataclass(frozen=True, slots=True)
class Landed:
    """What a night brought, or what lay in files.

    Attributes:
        feed: feed asked.
        at: when.
        pulls: complete pulls.
        faults: what went wrong; the answers it concerns are landed but will not be used.
        notices: what a person should know although nothing is lost.
        requests: questions asked.
        asked: ids of the series asked for.
    """

    feed: str
    at: datetime
    pulls: tuple[LandedPull, ...]
    faults: tuple[Fault, ...] = ()
    notices: tuple[str, ...] = ()
    requests: int = 0
    asked: tuple[str, ...] = ()

    @property
    def responses(self) -> tuple[Response, ...]:
        """Every answer of its complete pulls."""
        return tuple(response for pull in self.pulls for response in pull.responses)

    def without_pulls(self, error: FeedError) -> Landed:
        """The same night, nothing of which may be used."""
        ids = [response.response_id for response in self.responses]
        ids += [name for fault in self.faults for name in fault.response_ids]
        return replace(self, pulls=(), faults=(Fault.of(error, "*", ids),))


@dataclass(slots=True)
class _Landing:
    """The landing of one pull in progress.

    Attributes:
        pull: what is asked.
        ends: when it is given up, on the clock of ``time.monotonic``.
        earlier: what came before of the files that it asks for.
        responses: answers so far.
        requests: questions so far.
        rows: source rows so far, and
        says_new: whether they say anything new, where the service is to count them.
    """

    feed: Source
    pull: Pull
    client: Client
    ledger: Ledger
    now: datetime
    witness: Witness
    ends: float
    earlier: Earlier
    responses: list[Response] = field(default_factory=list)
    requests: int = 0
    rows: int = 0
    says_new: bool = False

    def ask(self, url: str) -> tuple[Response, Answer]:
        """Ask, land the answer whatever it is, then judge it; its body is what was stored."""
        if time.monotonic() >= self.ends:
            raise self._make_endless_error()
        self.requests += 1
        try:
            answer, error = self.client.get(url, self.ends, self.earlier.find(url))
        except FeedUnavailable as error:
            # Cut short by us: the service did answer, and its other pulls may come to an end.
            raise (self._make_endless_error() if time.monotonic() >= self.ends else error) from None
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

    def _make_endless_error(self) -> IncompleteResponse:
        return IncompleteResponse(
            self.feed.name,
            f"{self.pull.name}: no end after {len(self.responses)} answers in "
            f"{self.client.patience.pull:g} seconds",
            "Nothing of this pull was used; the next run asks again",
        )

    def read_pages(self, pull: Pull, counted: Cells | None) -> Iterator[tuple[Response, Parsed]]:
        """Every page of a pull in turn, proven to be whole when they end.

        Args:
            pull: what to ask.
            counted: cells stored already, where the service is to count its rows if they differ.
        """
        service = self.feed.asked
        proof = service.proof(pull)
        # The next page is on its way and on the disk while this one is read.
        with ThreadPoolExecutor(1) as ahead:
            coming: Future[tuple[Response, Answer]] | None = ahead.submit(self.ask, pull.url)
            while coming is not None:
                response, answer = coming.result()
                with turn_into_faults(self.feed.name):
                    next_url = proof.add(answer)
                coming = ahead.submit(self.ask, next_url) if next_url is not None else None
                with turn_into_faults(self.feed.name):
                    parsed = self.feed.parse(answer)
                    rows = service.rows_in(answer) if service.rows_in is not None else 0
                if counted is not None:
                    self.rows += rows
                    self.says_new = self.says_new or len(counted.news(parsed.frame)) > 0
                yield from ((response, part) for part in parsed.parts())


def land_files(source: Source, ledger: Ledger, now: datetime) -> Landed:
    """Open the files a source names, land their bytes and read their rows.

    Raises:
        FeedError: a file is not what the source says of it, or no row of it can be read.
        OSError: it cannot be opened.
    """
    today = now.astimezone(source.zone).date()
    pulls = [_open(source, pull, ledger, now) for pull in source.pulls(source.series, {}, today)]
    asked = tuple(series.id for series in source.series)
    return Landed(source.name, now, sort_by_vintage(pulls), asked=asked)


def sort_by_vintage(files: Sequence[LandedPull]) -> tuple[LandedPull, ...]:
    """Files in the order in which the public saw what they say: so they are recorded."""
    return tuple(sorted(files, key=lambda file: (file.oldest or END_OF_TIME, file.pull.url)))


def _open(source: Source, pull: Pull, ledger: Ledger, now: datetime) -> LandedPull:
    if pull.path is None:
        raise ValueError(f"{source.name}: {pull.url} names no file")
    response = ledger.land(
        feed=source.name,
        url=pull.url,
        body=pull.path.read_bytes(),
        fetched_at=now,
        status=200,
        headers={},
    )
    with turn_into_faults(source.name):
        pages = parse_landed(source, [response], ledger)
        return LandedPull.of(source, pull, ledger, pages, as_answered=True)


def land_night(
    feed: Source,
    asked: Sequence[Series],
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
        asked: series of it to ask for.
        secret: its key.
        ledger: where answers go, masked.
        warehouse: what is stored already decides what is asked.
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
    today = now.astimezone(feed.zone).date()
    earlier = Earlier(feed, ledger, warehouse)
    with client, Stored.open_published(warehouse, feed) as stored:
        for pull in feed.pulls(asked, stored.newest, today):
            ends = time.monotonic() + client.patience.pull
            landing = _Landing(feed, pull, client, ledger, now, witness, ends, earlier)
            try:
                pulls.append(_land_pull(landing, pull, stored))
            except FeedError as error:
                wide = isinstance(error, _FEED_WIDE)
                unused = [response.response_id for response in landing.responses]
                faults.append(Fault.of(error, "*" if wide else pull.name, unused))
                if wide:
                    break
            finally:
                requests += landing.requests
        notices = tuple(client.notices)
    names = tuple(series.id for series in asked)
    landed = Landed(feed.name, now, tuple(pulls), tuple(faults), notices, requests, names)
    return _settle_clock(landed, witness, ledger, warehouse)


def _settle_clock(landed: Landed, witness: Witness, ledger: Ledger, warehouse: Warehouse) -> Landed:
    """The night with the dates it corrected; without its pulls under a clock in doubt."""
    try:
        witness.require_agreement(landed.feed)
        if not landed.pulls:
            return landed
        corrected = settle_clock(
            ledger, warehouse, landed.feed, landed.at, has_witness=witness.has_answered
        )
    except ClockInDoubt as error:
        return landed.without_pulls(error)
    return replace(landed, notices=(*landed.notices, *corrected))


def _land_pull(landing: _Landing, pull: Pull, stored: Stored) -> LandedPull:
    feed, counted, service = landing.feed, None, landing.feed.asked
    if service.count_url is not None:
        counted = stored.cells(pull.series)
    pages = landing.read_pages(pull, counted)
    landed = LandedPull.of(feed, pull, landing.ledger, pages, stamped=True)
    if counted is not None:
        expected = landing.rows * (service.values_per_row(pull) if service.values_per_row else 1)
        if landing.says_new or len(counted.within(pull)) != expected:
            _require_count(landing, pull)
    _require_rows(feed, landed, stored)
    _require_absent(landing, landed, stored)
    return landed


def _require_rows(feed: Source, landed: LandedPull, stored: Stored) -> None:
    pull = landed.pull
    is_first = pull.last is None and stored.sizes.keys().isdisjoint(pull.series)
    if is_first and not landed.rows.sizes().total():
        raise IncompleteResponse(
            feed.name,
            f"{pull.name}: not one row came of {pull.series[0]}"
            + (f" and {len(pull.series) - 1} other series" if len(pull.series) > 1 else ""),
            "Nothing is held of them; look whether the service still knows these series",
        )


def _require_count(landing: _Landing, pull: Pull) -> None:
    feed, rows, service = landing.feed, landing.rows, landing.feed.asked
    assert service.count_url is not None and service.count is not None
    _, answer = landing.ask(service.count_url(pull))
    with turn_into_faults(feed.name):
        counted = service.count(answer)
    if counted != rows:
        raise IncompleteResponse(
            feed.name,
            f"{pull.name}: {rows} rows came, the service counts {counted}",
            "Nothing of this pull was used; the next run asks again",
        )


def _require_absent(landing: _Landing, landed: LandedPull, stored: Stored) -> None:
    """Ask again for what is stored and did not come, each period alone, before it is believed gone.

    Raises:
        IncompleteResponse: it comes, so the first answer was not all there is.
    """
    feed, pull, alone = landing.feed, landed.pull, landing.feed.asked.alone
    if alone is None or stored.sizes.keys().isdisjoint(pull.series):
        return
    absences = Absences(feed.table)
    for series, stretch, rows in landed.rows.batches(stored, cut=lambda names: True):
        absences.add(stored.cells(series, stretch).within(pull), rows)
    lost = absences.find_lost()["series_id"]
    gone = absences.without(lost).cells.sort("period")
    for absent in gone.partition_by("period", maintain_order=True):
        period = absent["period"][0]
        question = alone(tuple(absent["series_id"].unique().sort()), period)
        for _, parsed in landing.read_pages(question, None):
            came = absent.join(parsed.frame, on=feed.table.cell, how="semi").sort("series_id")
            if len(came):
                raise IncompleteResponse(
                    feed.name,
                    f"{pull.name}: {period} of {came['series_id'][0]} was not in the answer, "
                    "and comes when it is asked for alone",
                    "Nothing of this pull was used; the next run asks again",
                )
