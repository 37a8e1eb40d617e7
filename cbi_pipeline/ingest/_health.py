"""How each feed is: its key, its newest observation, whether that is stale, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

import httpx
from pydantic import SecretStr

from cbi_pipeline.catalogue import PROFILES
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
    profile_feeds,
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
        title = FILE_READERS[error.feed].title
        return [FeedHealth(error.feed, title, "not needed", None, (), (str(error),))]
    return [
        _check_files(settings, source)
        if source.service is None
        else _check_service(
            settings, source, _ask_key(settings, source, probe, patience, transport)
        )
        for source in sources.values()
    ]


def note_staleness(settings: Settings, name: str) -> tuple[FamilyAge, ...]:
    """How old the newest values of a live feed are; what became stale or recent is noted.

    A service that answers well and says nothing new for too long is a fault of its own, noted
    under ``<name> freshness``. While the feed itself has an open fault, that explains its age.
    """
    asked, log = asked_series(settings, live_feed(settings, name)), fault_log(settings)
    ages = _measure_ages(asked, _read_newest(settings, asked))
    if not log.open(name):
        late = [_describe_fault(name, age) for age in ages if age.stale]
        log.settle(f"{name} freshness", late, datetime.now(UTC))
    return ages


def why_not_asked(settings: Settings, name: str) -> str | None:
    """Why a live feed is not asked at all, with what to do; None when it is.

    A key that was never set is no fault. One that is gone after it has worked is: such a feed is
    asked, and the missing key is its fault.
    """
    feed, secret = live_feed(settings, name), secret_of(settings, name)
    if name not in profile_feeds(settings):
        return _explain_profile(settings, feed)
    need, asked = feed.asked.credential, asked_series(settings, feed)
    if not asked:
        return (
            f"nothing reads a series of it; name one in the catalogue, or say in [feed.{name}] why "
            'to keep one: keep = { "SERIES" = "reason" }'
        )
    if need is None or not need.required or _is_set(secret) or _read_newest(settings, asked):
        return None
    return (
        f"{need.setting} is not set. Get a key at {need.obtain} and put {need.setting}=... into "
        ".env"
    )


def _explain_profile(settings: Settings, feed: Source) -> str:
    asking = [name for name in PROFILES if feed.name in profile_feeds(settings, name)]
    other = " or ".join(f"CBI_PROFILE={name}" for name in reversed(asking))
    why = (
        "rests on embedded records"
        if not settings.has_services
        else "asks no service that needs a key"
        if settings.profile == "public"
        else "has another source of its series"
    )
    return f"the profile {settings.profile} {why}; {other} asks it"


def _check_files(settings: Settings, source: Source) -> FeedHealth:
    newest, problems, notices = None, list[str](), list[str]()
    try:
        notices.extend(source.examine() if source.examine is not None else ())
        newest = max(_read_newest(settings, source.series).values(), default=None)
    except FeedError as error:
        problems.append(str(error))
    return FeedHealth(
        source.name, source.title, "not needed", newest, (), tuple(problems), tuple(notices)
    )


def _check_service(settings: Settings, feed: Source, key: _Key) -> FeedHealth:
    asked, log = asked_series(settings, feed), fault_log(settings)
    newest = _read_newest(settings, asked)
    ages = _measure_ages(asked, newest)
    problems = [
        *([str(key.error)] if key.error else []),
        *map(str, log.open(feed.name)),
        *(_describe_age(feed.name, age) for age in ages if age.stale),
        *_describe_absent(feed.name, asked, newest),
    ]
    return FeedHealth(
        feed=feed.name,
        title=feed.title,
        key=key.state,
        newest=max(newest.values(), default=None),
        ages=ages,
        problems=tuple(dict.fromkeys(problems)),
        notices=key.notices,
        since=log.since(feed.name),
    )


class _Key(NamedTuple):
    """What a service says of its key."""

    state: KeyState
    error: FeedError | None = None
    notices: tuple[str, ...] = ()


def _ask_key(
    settings: Settings,
    feed: Source,
    probe: bool,
    patience: Patience | None,
    transport: httpx.BaseTransport | None,
) -> _Key:
    secret = secret_of(settings, feed.name)
    unset: KeyState = "not set" if feed.asked.credential is not None else "not needed"
    state: KeyState = "set" if _is_set(secret) else unset
    try:
        with Client(feed, secret, patience, transport) as client:
            error = client.get(feed.asked.probe)[1] if probe else None
            notices = tuple(client.notices)
    except MissingCredential as missing:
        return _Key("missing", missing)
    except RejectedCredential as rejected:
        return _Key("refused", rejected)
    except FeedError as unreachable:
        return _Key(state, unreachable)
    if isinstance(error, RejectedCredential) or notices:
        return _Key("refused", error, notices)
    return _Key("accepted" if probe and error is None and state == "set" else state, error)


def _is_set(secret: SecretStr | None) -> bool:
    return bool(secret and secret.get_secret_value().strip())


def _measure_ages(asked: Sequence[Series], newest: Mapping[str, date]) -> tuple[FamilyAge, ...]:
    # A family is as stale as the stalest of its series.
    oldest: dict[str, date] = {}
    for series in asked:
        if series.id in newest:
            period = newest[series.id]
            oldest[series.family] = min(period, oldest.get(series.family, period))
    today = datetime.now(UTC).date()
    return tuple(
        FamilyAge(
            name,
            oldest.get(name),
            (today - oldest[name]).days if name in oldest else None,
            family(name).staleness.days,
        )
        for name in sorted({series.family for series in asked})
    )


def _read_newest(settings: Settings, series: Sequence[Series]) -> dict[str, date]:
    try:
        with bind_warehouse(settings).read() as store:
            rows = store.query(
                " UNION ALL ".join(
                    f"SELECT series_id, max({table.day_sql}) AS newest FROM {table.name} "
                    "WHERE status = 'value' AND series_id = ANY($1) GROUP BY series_id"
                    for table in VERSIONED
                ),
                [[member.id for member in series]],
            )
    except NothingPublished:
        return {}
    return dict(rows.iter_rows())


def _describe_fault(feed: str, age: FamilyAge) -> Fault:
    if age.newest is None:
        return Fault(
            f"{feed} freshness",
            age.family,
            "Absent",
            f"it answers, and nothing of {age.family} was ever published to us",
            "Check the codes of its series, and the service's own page",
        )
    return Fault(
        f"{feed} freshness",
        age.family,
        "Stale",
        f"newest value of {age.newest}, {age.days} days ago; its contract allows {age.limit}",
        "Look at the service's own page before trusting forecasts",
    )


def _describe_age(feed: str, age: FamilyAge) -> str:
    if age.newest is None:
        return f"{feed}: nothing of {age.family} is held. Ask for it with `cbi feeds pull {feed}`."
    return (
        f"{feed}: the newest {age.family} value is of {age.newest}, {age.days} days ago; its "
        f"contract allows {age.limit}. Look at the service's own page before trusting forecasts."
    )


def _describe_absent(
    feed: str, asked: Sequence[Series], newest: Mapping[str, date]
) -> Iterator[str]:
    """Series without any value beside others of their family: their code may be wrong."""
    loaded = {series.family for series in asked if series.id in newest}
    for series in asked:
        if series.id not in newest and series.family in loaded:
            yield f"{feed}: nothing was ever published to us as {series.id}. Check its code."
