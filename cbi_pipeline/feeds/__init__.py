"""Sources: pure modules that say what to ask for or open, and turn the answer into typed rows."""

from cbi_pipeline.feeds import archive, cftc, csv_import, eia
from cbi_pipeline.feeds.errors import (
    ArchiveChecksumMismatch,
    ArchiveError,
    ArchiveFileMissing,
    ClockInDoubt,
    FeedError,
    FeedUnavailable,
    IncompleteResponse,
    MissingCredential,
    RateLimited,
    RejectedCredential,
    UnexpectedShape,
)
from cbi_pipeline.feeds.source import PARSED_SCHEMA, Answer, Parsed, Pull, Series, Source

#: Sources that read files, by name: whoever reads stored bytes again needs no file.
FILE_READERS = {source.name: source for source in (archive.READER, csv_import.READER)}

__all__ = [
    "FILE_READERS",
    "PARSED_SCHEMA",
    "Answer",
    "ArchiveChecksumMismatch",
    "ArchiveError",
    "ArchiveFileMissing",
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
    "cftc",
    "csv_import",
    "eia",
]
