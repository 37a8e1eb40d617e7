"""How each feed is: its key, its newest observation, whether that is stale, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

import httpx

from cbi_pipeline.feeds import (
    FILE_READERS,
    FeedError,
    MissingCredential,
    RejectedCredential,
    Series,
    Source,
)
from cbi_pipeline.ingest._client import Client, Patience
from cbi_pipeline.ingest._incidents import Fault
from cbi_pipeline.ingest._sources import (
    asked_series,
    fault_log,
    live_feed,
    profile_sources,
    secret_of,
)
from cbi_pipeline.ledger import bind_warehouse
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import NothingPublished
from data_contracts.families import family
from data_contracts.versioned import VERSIONED

KeyState = Literal["not needed", "missing", "not set", "set", "accepted", "refused"]


@dataclass(frozen=True, slots=True)
class FamilyAge:
    """The newest observation of one series family of a feed.

    Attributes:
        family: contract family.
        newest: newest period with a value; None when there is none.
        days: its age.
        limit: days after which the contract calls it stale.
    """

    family: str
    newest: date | None
    days: int | None
    limit: int

    @property
    def stale(self) -> bool:
        """Whether it is older than its contract allows, or absent."""
        return self.days is None or self.days > self.limit


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """How one feed is.

    Attributes:
        feed: short name.
        title: name for people.
        key: state of its key.
        newest: newest period with a value.
        ages: newest observation and staleness per family; none for a closed record.
        problems: everything that is wrong, one sentence each with what to do.
        notices: what a person should know although nothing is lost.
        since: when the open fault began.
    """

    feed: str
    title: str
    key: KeyState
    newest: date | None
    ages: tuple[FamilyAge, ...]
    problems: tuple[str, ...]
    notices: tuple[str, ...] = ()
    since: datetime | None = None

    @property
    def broken(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems)


def check_feeds(
    settings: Settings,
    *,
    probe: bool = True,
    patience: Patience | None = None,
    transport: httpx.BaseTransport | None = None,
) -> list[FeedHealth]:
    """How every feed of the profile is; raises nothing that a feed can cause.

    Args:
        settings: the sources of their profile are looked at.
        probe: ask each service one cheap question, to learn whether its key is accepted.
        patience: bounds of time and size of that question.
        transport: seam for tests.
    """
    try:
        sources = profile_sources(settings)
    except FeedError as error:
        return [_unreadable(error)]
    return [
        _files_health(settings, one)
        if one.service is None
        else _live_health(settings, one, probe, patience, transport)
        for one in sources.values()
    ]


def note_staleness(settings: Settings, name: str) -> tuple[FamilyAge, ...]:
    """How old the newest values of a live feed are; what became stale or recent is noted.

    A service that answers well and says nothing new for too long is a fault of its own, noted
    under ``<name> freshness``. While the feed itself has an open fault, that explains its age.
    """
    feed = live_feed(settings, name)
    asked, log = asked_series(settings, feed), fault_log(settings)
    ages = _ages(asked, _newest(settings, asked))
    if not log.open(name):
        late = [_stale_fault(feed, age) for age in ages if age.stale]
        log.settle(f"{name} freshness", late, datetime.now(UTC))
    return ages


def why_not_asked(settings: Settings, name: str) -> str | None:
    """Why a live feed is not asked at all, with what to do; None when it is.

    A key that was never set is no fault. One that is gone after it has worked is: such a feed is
    asked, and the missing key is its fault.
    """
    feed, secret = live_feed(settings, name), secret_of(settings, name)
    if settings.profile != "live":
        return f"the profile {settings.profile} rests on embedded records; CBI_PROFILE=live asks it"
    need = feed.asked.credential
    asked = asked_series(settings, feed)
    if not asked:
        return (
            f"nothing reads a series of it; name one in the catalogue, or say in [feed.{name}] why "
            'to keep one: keep = { "SERIES" = "reason" }'
        )
    if need is None or not need.required or (secret and secret.get_secret_value().strip()):
        return None
    if _newest(settings, asked):
        return None
    return (
        f"{need.setting} is not set. Get a key at {need.obtain} and put {need.setting}=... into "
        ".env"
    )


def _stale_fault(feed: Source, age: FamilyAge) -> Fault:
    if age.newest is None:
        return Fault(
            f"{feed.name} freshness",
            age.family,
            "Absent",
            f"it answers, and nothing of {age.family} was ever published to us",
            "Check the codes of its series, and the service's own page",
        )
    return Fault(
        f"{feed.name} freshness",
        age.family,
        "Stale",
        f"newest value of {age.newest}, {age.days} days ago; its contract allows {age.limit}",
        "Look at the service's own page before trusting forecasts",
    )


def _unreadable(error: FeedError) -> FeedHealth:
    title = FILE_READERS[error.feed].title
    return FeedHealth(error.feed, title, "not needed", None, (), (str(error),))


def _files_health(settings: Settings, source: Source) -> FeedHealth:
    newest, problems, notices = None, list[str](), list[str]()
    try:
        notices.extend(source.examine() if source.examine is not None else ())
        newest = max(_newest(settings, source.series).values(), default=None)
    except FeedError as error:
        problems.append(str(error))
    return FeedHealth(
        source.name, source.title, "not needed", newest, (), tuple(problems), tuple(notices)
    )


def _live_health(
    settings: Settings,
    feed: Source,
    probe: bool,
    patience: Patience | None,
    transport: httpx.BaseTransport | None,
) -> FeedHealth:
    key, error, notices = _key(settings, feed, probe, patience, transport)
    asked = asked_series(settings, feed)
    held = _newest(settings, asked)
    ages = _ages(asked, held)
    log = fault_log(settings)
    stale = [_stale_words(feed, age) for age in ages if age.stale]
    known = [str(fault) for fault in log.open(feed.name)]
    problems = dict.fromkeys(
        [*([str(error)] if error else []), *known, *stale, *_absent(feed, asked, held)]
    )
    return FeedHealth(
        feed=feed.name,
        title=feed.title,
        key=key,
        newest=max(held.values(), default=None),
        ages=ages,
        problems=tuple(problems),
        notices=notices,
        since=log.since(feed.name),
    )


def _key(
    settings: Settings,
    feed: Source,
    probe: bool,
    patience: Patience | None,
    transport: httpx.BaseTransport | None,
) -> tuple[KeyState, FeedError | None, tuple[str, ...]]:
    secret = secret_of(settings, feed.name)
    is_set = bool(secret and secret.get_secret_value().strip())
    unset: KeyState = "not set" if feed.asked.credential is not None else "not needed"
    given: KeyState = "set" if is_set else unset
    try:
        with Client(feed, secret, patience, transport) as client:
            error = client.get(feed.asked.probe)[1] if probe else None
            notices = tuple(client.notices)
    except MissingCredential as missing:
        return "missing", missing, ()
    except RejectedCredential as rejected:
        return "refused", rejected, ()
    except FeedError as unreachable:
        return given, unreachable, ()
    if isinstance(error, RejectedCredential) or notices:
        return "refused", error, notices
    return ("accepted" if probe and error is None and given == "set" else given), error, notices


def _ages(asked: Sequence[Series], newest: Mapping[str, date]) -> tuple[FamilyAge, ...]:
    # A family is as stale as the stalest of its series.
    oldest: dict[str, date] = {}
    for one in asked:
        if one.id in newest:
            oldest[one.family] = min(newest[one.id], oldest.get(one.family, newest[one.id]))
    today = datetime.now(UTC).date()
    return tuple(
        _age(name, oldest.get(name), today) for name in sorted({one.family for one in asked})
    )


def _absent(feed: Source, asked: Sequence[Series], newest: Mapping[str, date]) -> list[str]:
    """Series without any value beside others of their family: their code may be wrong."""
    loaded = {one.family for one in asked if one.id in newest}
    absent = [one.id for one in asked if one.id not in newest and one.family in loaded]
    return [
        f"{feed.name}: nothing was ever published to us as {name}. Check its code."
        for name in absent
    ]


def _age(name: str, newest: date | None, today: date) -> FamilyAge:
    days = None if newest is None else (today - newest).days
    return FamilyAge(name, newest, days, family(name).staleness.days)


def _newest(settings: Settings, series: Sequence[Series]) -> dict[str, date]:
    try:
        with bind_warehouse(settings).read() as store:
            rows = store.query(
                " UNION ALL ".join(
                    f"SELECT series_id, max({table.day_sql}) AS newest FROM {table.name} "
                    "WHERE status = 'value' AND series_id = ANY($1) GROUP BY series_id"
                    for table in VERSIONED
                ),
                [[one.id for one in series]],
            )
    except NothingPublished:
        return {}
    return dict(rows.iter_rows())


def _stale_words(feed: Source, age: FamilyAge) -> str:
    if age.newest is None:
        return (
            f"{feed.name}: nothing of {age.family} is held. Ask for it with `cbi feeds pull "
            f"{feed.name}`."
        )
    return (
        f"{feed.name}: the newest {age.family} value is of {age.newest}, {age.days} days ago; its "
        f"contract allows {age.limit}. Look at the service's own page before trusting forecasts."
    )
