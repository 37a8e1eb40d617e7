"""The ingestion engine: fetch, land, parse, screen, commit."""

from cbi_pipeline.ingest._engine import (
    END_OF_TIME,
    Fetched,
    IngestReport,
    Prepared,
    TableRuleBroken,
    commit,
    land,
    prepare,
    require,
)
from cbi_pipeline.ingest._files import read_file
from cbi_pipeline.ingest._screen import Screened, SeriesMeta, screen
from cbi_pipeline.ingest._series import archive_series

__all__ = [
    "END_OF_TIME",
    "Fetched",
    "IngestReport",
    "Prepared",
    "Screened",
    "SeriesMeta",
    "TableRuleBroken",
    "archive_series",
    "commit",
    "land",
    "prepare",
    "read_file",
    "require",
    "screen",
]
