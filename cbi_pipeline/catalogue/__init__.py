"""The catalogue: commodities, the series they are priced by, their horizons and calendars."""

from cbi_pipeline.catalogue._catalogue import (
    PACKAGED,
    Catalogue,
    Commodity,
    EvaluationPlan,
    FeedEntry,
    commodity_table,
    load_catalogue,
    load_feeds,
)
from cbi_pipeline.catalogue._document import CatalogueError, nearest
from cbi_pipeline.catalogue._files import FileEntry, load_files

__all__ = [
    "PACKAGED",
    "Catalogue",
    "CatalogueError",
    "Commodity",
    "EvaluationPlan",
    "FeedEntry",
    "FileEntry",
    "commodity_table",
    "load_catalogue",
    "load_feeds",
    "load_files",
    "nearest",
]
