"""Sources: pure modules that say what to ask for or open, and turn the answer into typed rows."""

from cbi_pipeline.feeds import archive, csv_import, eia
from cbi_pipeline.feeds.errors import (
    ArchiveError,
    ClockInDoubt,
    FeedError,
    FeedUnavailable,
    IncompleteResponse,
    MissingCredential,
    RateLimited,
    RejectedCredential,
    UnexpectedShape,
)
from cbi_pipeline.feeds.source import Answer, Parsed, Pull, Series, Source

#: Sources that read files, by name: whoever reads stored bytes again needs no file.
FILE_READERS = {source.name: source for source in (archive.READER, csv_import.READER)}

__all__ = [
    "FILE_READERS",
    "Answer",
    "ArchiveError",
    "ClockInDoubt",
    "FeedError",
    "FeedUnavailable",
    "IncompleteResponse",
    "MissingCredential",
    "Parsed",
    "Pull",
    "RateLimited",
    "RejectedCredential",
    "Series",
    "Source",
    "UnexpectedShape",
    "archive",
    "csv_import",
    "eia",
]
