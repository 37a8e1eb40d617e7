"""What every series of a live feed is asked for: the commodities and groups that read it."""

from __future__ import annotations

from collections.abc import Mapping

from cbi_pipeline.catalogue import load_catalogue, load_feeds
from cbi_pipeline.feeds import Series, Source
from cbi_pipeline.ingest import asked_series
from cbi_pipeline.settings import Settings


def describe_readers(settings: Settings, feed: Source) -> dict[str, str]:
    """What reads each series that a feed can be asked for, in words.

    Args:
        settings: whose catalogue reads series, and may keep some that nothing reads.
        feed: the feed.

    Returns:
        By series id, in the feed's order; empty words where nothing reads a series, so that it is
        not asked for.
    """
    files = settings.catalogue_files
    readers = load_catalogue(*files, profile=settings.profile).readers
    (entry,) = (entry for entry in load_feeds(*files) if entry.name == feed.name)
    kept = entry.explain_kept(series.id for series in feed.series)
    asked = {series.id for series in asked_series(settings, feed)}
    return {
        series.id: _words(series, readers, kept) if series.id in asked else ""
        for series in feed.series
    }


def _words(series: Series, readers: Mapping[str, tuple[str, ...]], kept: Mapping[str, str]) -> str:
    names = (series.id, series.report)
    words = [reader for name in names for reader in readers.get(name, ())]
    words += [f"kept: {kept[name]}" for name in names if name in kept]
    return "; ".join(words) or f"comes with the report {series.report}"
