"""Feeds: pure modules that say what to ask a source for and turn its answer into typed rows."""

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
from cbi_pipeline.feeds.feed import PARSED_SCHEMA, Feed, Parsed, Request

__all__ = [
    "PARSED_SCHEMA",
    "ArchiveChecksumMismatch",
    "ArchiveError",
    "ArchiveFileMissing",
    "ClockInDoubt",
    "Feed",
    "FeedError",
    "FeedUnavailable",
    "IncompleteResponse",
    "MissingCredential",
    "Parsed",
    "RateLimited",
    "RejectedCredential",
    "Request",
    "UnexpectedShape",
    "archive",
    "cftc",
    "csv_import",
    "eia",
]
