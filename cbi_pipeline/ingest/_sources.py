"""The sources of the settings: which there are, their keys, one night, one recorded answer of each.

What ships is named here and nowhere else in ingestion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import httpx
import polars as pl
from pydantic import SecretStr

from cbi_pipeline.catalogue import (
    Catalogue,
    CatalogueError,
    FeedEntry,
    FileEntry,
    load_catalogue,
    load_feeds,
    load_files,
)
from cbi_pipeline.feeds import FILE_READERS, Answer, Parsed, Series, Source, archive
from cbi_pipeline.ingest._client import Patience
from cbi_pipeline.ingest._commit import IngestReport, deliver
from cbi_pipeline.ingest._incidents import FaultLog, turn_into_faults
from cbi_pipeline.ingest._land import Landed, land_night
from cbi_pipeline.ingest._screen import screen
from cbi_pipeline.ledger import Ledger, bind_warehouse
from cbi_pipeline.settings import Profile, Settings, SettingsError, load_settings
from cbi_pipeline.warehouse import NothingPublished, Store


def profile_sources(settings: Settings) -> dict[str, Source]:
    """The sources that a night of the profile asks or opens, by name.

    Raises:
        CatalogueError: as :func:`live_feeds`.
        FeedError: the embedded record cannot be read.
    """
    if settings.has_services:
        return profile_feeds(settings)
    closed = archive.source(settings.archive_dir)
    return {closed.name: closed}


def readable_sources(settings: Settings) -> dict[str, Source]:
    """Every source whose recorded answers and files can be read by themselves, by name.

    Raises:
        CatalogueError: as :func:`live_feeds` and :func:`file_sources`.
        FeedError: the embedded record cannot be read.
    """
    closed = archive.source(settings.archive_dir)
    files = {name: source for name, source in file_sources(settings).items() if source.series}
    return {closed.name: closed} | live_feeds(settings) | files


def live_feeds(settings: Settings) -> dict[str, Source]:
    """The live feeds by name, at the addresses the settings give.

    Raises:
        CatalogueError: a module of the catalogue is not there, fails, or describes no feed of that
            name.
    """
    return {
        entry.name: _load_feed(entry, settings) for entry in load_feeds(*settings.catalogue_files)
    }


def profile_feeds(settings: Settings, profile: Profile | None = None) -> dict[str, Source]:
    """The live feeds that a profile asks, by name; ``public`` asks none that needs a key.

    Args:
        settings: whose catalogue names them.
        profile: the settings' own by default.

    Raises:
        CatalogueError: as :func:`live_feeds`.
    """
    asking, feeds = profile or settings.profile, live_feeds(settings)
    return {
        entry.name: feeds[entry.name]
        for entry in load_feeds(*settings.catalogue_files)
        if asking in entry.profiles and not (asking == "public" and needs_key(feeds[entry.name]))
    }


def needs_key(feed: Source) -> bool:
    """Whether a live feed answers nobody without a key."""
    credential = feed.asked.credential
    return credential is not None and credential.required


def _load_feed(entry: FeedEntry, settings: Settings) -> Source:
    address = [settings.feed_urls[entry.name]] if entry.name in settings.feed_urls else []
    feed = _load_module(entry.module, entry.origin, *address)
    if not isinstance(feed, Source) or feed.service is None or feed.name != entry.name:
        raise CatalogueError(
            f"{entry.origin}: {entry.module}.source() describes no service named {entry.name}"
        )
    return feed


def asked_series(settings: Settings, feed: Source) -> tuple[Series, ...]:
    """What a night asks a live feed for: what the catalogue reads of it, and what it keeps."""
    files = settings.catalogue_files
    read = load_catalogue(*files, profile=settings.profile).readers
    (entry,) = (entry for entry in load_feeds(*files) if entry.name == feed.name)
    return feed.series_of({*read, *entry.explain_kept(series.id for series in feed.series)})


def file_sources(settings: Settings) -> dict[str, Source]:
    """The sources of files by name: those that come with the program, and the catalogue's.

    Raises:
        CatalogueError: a module of the catalogue is not there, fails, or describes no files of that
            name.
    """
    entries = load_files(*settings.catalogue_files)
    return {**FILE_READERS, **{entry.name: _load_files(entry, settings) for entry in entries}}


def _load_files(entry: FileEntry, settings: Settings) -> Source:
    source = _load_module(entry.module, entry.origin)
    if not isinstance(source, Source) or source.service is not None or source.name != entry.name:
        raise CatalogueError(
            f"{entry.origin}: {entry.module}.source() describes no files named {entry.name}"
        )
    if entry.name in FILE_READERS or entry.name in {
        feed.name for feed in load_feeds(*settings.catalogue_files)
    }:
        raise CatalogueError(
            f"{entry.origin}: another source is named {entry.name}; choose another name"
        )
    return source


def _load_module(module: str, origin: str, *address: str) -> object:
    try:
        return import_module(module).source(*address)
    except Exception as error:
        # The module may be a user's own: whatever it fails with, the entry that names it is said.
        raise CatalogueError(
            f"{origin}: module = {module!r} cannot be used: {type(error).__name__}: {error}"
        ) from error


def live_feed(settings: Settings, name: str) -> Source:
    """The live feed of that name.

    Raises:
        ValueError: no such feed; the message lists those there are.
    """
    feeds = live_feeds(settings)
    if name not in feeds:
        raise ValueError(f"no live feed {name!r}; live feeds: {', '.join(feeds)}")
    return feeds[name]


def pricing_feeds(settings: Settings, catalogue: Catalogue) -> tuple[str, ...]:
    """Names of the profile's feeds that a catalogue's prices come from."""
    prices = {commodity.price_series for commodity in catalogue.commodities}
    return tuple(
        name
        for name, feed in profile_feeds(settings).items()
        if any(series.id in prices for series in feed.series)
    )


def secret_of(settings: Settings, name: str) -> SecretStr | None:
    """The key of a live feed; None when it is not set or it takes none."""
    need = live_feed(settings, name).asked.credential
    return settings.secret(need.setting) if need is not None else None


def fault_log(settings: Settings) -> FaultLog:
    """What is wrong with the live feeds, and since when."""
    return FaultLog(settings.ledger_dir)


def require_live_home(settings: Settings) -> None:
    """Live feeds are asked only in a home that never took the archive.

    Raises:
        SettingsError: the home holds records of the archive.
    """
    closed = {name for name, reader in FILE_READERS.items() if reader.closed is not None}
    if any(entry.feed in closed for entry in Ledger(settings.ledger_dir).entries()):
        raise SettingsError(
            f"{settings.home} holds the archive's closed records, and what live services have "
            "said since they end would appear to be known only from now on; set CBI_HOME to "
            "another folder, or CBI_PROFILE=archive"
        )


def land_live(
    settings: Settings,
    name: str,
    *,
    patience: Patience | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Landed:
    """Ask a live feed what is due tonight and land every answer; see :func:`land_night`.

    Raises:
        SettingsError: the home holds records of the archive, or cannot be made.
        WarehouseError, LedgerDamaged: nothing can be written; says what to run first.
    """
    require_live_home(settings)
    settings.make_home()
    warehouse = bind_warehouse(settings)
    warehouse.check()
    feed = live_feed(settings, name)
    return land_night(
        feed,
        asked_series(settings, feed),
        secret_of(settings, name),
        Ledger(settings.ledger_dir),
        warehouse,
        datetime.now(UTC),
        patience=patience,
        transport=transport,
    )


def deliver_live(settings: Settings, landed: Landed) -> IngestReport:
    """Judge what was landed, write what is new, publish it, note what is wrong."""
    report = deliver(
        live_feed(settings, landed.feed),
        landed,
        Ledger(settings.ledger_dir),
        bind_warehouse(settings),
        fault_log(settings),
    )
    note_asked(settings, landed.feed)
    return report


def note_asked(settings: Settings, name: str) -> None:
    """Note which stored series of a live feed nights ask for, and publish what has changed.

    A profile that does not ask the feed says nothing of it.
    """
    feeds, warehouse = profile_feeds(settings), bind_warehouse(settings)
    if name not in feeds:
        return
    feed = feeds[name]
    try:
        with warehouse.read() as store:
            changed = _find_changed(store, feed, asked_series(settings, feed))
    except NothingPublished:
        return
    if len(changed):
        with warehouse.write() as store, store.transaction():
            store.replace("ref.asked", changed)
        warehouse.publish()


def _find_changed(store: Store, feed: Source, asked: Sequence[Series]) -> pl.DataFrame:
    """Rows of ``ref.asked`` that are no longer true of the stored series of a feed."""
    noted = store.table("ref.asked")
    own, names = [series.id for series in feed.series], [series.id for series in asked]
    return (
        store.table("ref.series", "series_id = ANY(?)", [own])
        .select("series_id", asked=pl.col("series_id").is_in(names))
        .join(noted.rename({"asked": "before"}), on="series_id", how="left")
        .filter(pl.col("asked") != pl.col("before").fill_null(value=True))
        .drop("before")
    )


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A recorded answer as rows.

    Attributes:
        accepted: series_id, period, value, value_text, unit, status, available_at,
            available_basis, locator; rows that keep their contract.
        rejected: the same with ``rule``, ``column_name`` and ``offending``, one line per rule.
        ignored: source rows that are no observations, by reason.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
    ignored: dict[str, int]


def parse_file(feed: str, path: Path, url: str | None = None) -> ParsedFile:
    """Parse and screen a recorded answer.

    Args:
        feed: a live feed or a source of files that knows its series.
        path: file with the answer's body.
        url: address it came from; by default one of the feed that fits the file.

    Raises:
        ValueError: no such feed.
        FileNotFoundError: no such file.
        FeedError: the body is no answer of that feed.
    """
    sources = readable_sources(load_settings())
    if feed not in sources:
        raise ValueError(f"no feed {feed!r}; feeds: {', '.join(sources)}")
    source = sources[feed]
    address = source.asked.probe if source.service is not None else f"{feed}://{path.name}"
    with turn_into_faults(feed):
        parsed = source.parse(Answer(url or address, 200, {}, path.read_bytes()))
    return _screen_parsed(parsed, source)


def _screen_parsed(parsed: Parsed, source: Source) -> ParsedFile:
    followed = {series.id: series for series in source.series}
    rows = source.table.with_period(parsed.sourced).with_columns(response_id=pl.lit("recorded"))
    own = rows.join(parsed.strangers, on="locator", how="anti", maintain_order="left")
    screened = screen(own, followed, datetime.now(UTC), table=source.table)
    rejected = screened.rejected.drop("row", "contract_version", "response_id")
    strangers = rows.join(parsed.strangers, on="locator", maintain_order="left")
    return ParsedFile(
        accepted=screened.good.drop("row_json", "response_id"),
        rejected=pl.concat([strangers.select(rejected.columns), rejected]),
        ignored=dict(parsed.ignored),
    )
