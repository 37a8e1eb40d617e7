"""The feeds that assets, jobs and alerts are made for."""

from __future__ import annotations

from cbi_pipeline.catalogue import CatalogueError, FeedEntry, load_feeds
from cbi_pipeline.settings import Settings


def feed_entries(settings: Settings) -> tuple[FeedEntry, ...]:
    """The feeds of the catalogue; where it cannot be read, those that ship.

    So the page opens whatever a catalogue says. Every run looks it up first and fails with what is
    wrong with it.
    """
    try:
        return load_feeds(*settings.catalogue_files)
    except CatalogueError:
        return load_feeds()
