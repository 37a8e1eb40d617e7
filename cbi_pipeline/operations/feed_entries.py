"""The feeds that assets, jobs and alerts are made for."""

from __future__ import annotations

from cbi_pipeline.catalogue import CatalogueError, FeedEntry, load_feeds
from cbi_pipeline.ingest import live_feeds
from cbi_pipeline.settings import Settings
from data_contracts.versioned import OBSERVATIONS


def feed_entries(settings: Settings) -> tuple[FeedEntry, ...]:
    """The feeds of the catalogue; where it cannot be read, those that ship.

    So the page opens whatever a catalogue says. Every run looks it up first and fails with what is
    wrong with it.
    """
    try:
        return load_feeds(*settings.catalogue_files)
    except CatalogueError:
        return load_feeds()


def filled_tables(settings: Settings) -> dict[str, str]:
    """The table that each feed of :func:`feed_entries` fills.

    That of observations where a module cannot be used, which every run of it says.
    """
    try:
        fills = {name: feed.table.name for name, feed in live_feeds(settings).items()}
    except CatalogueError:
        fills = {}
    return {
        entry.name: fills.get(entry.name, OBSERVATIONS.name) for entry in feed_entries(settings)
    }
