"""The catalogue: commodities, the series they are priced by, their horizons and calendars."""

from cbi_pipeline.catalogue._catalogue import (
    PACKAGED,
    Catalogue,
    Commodity,
    FeedEntry,
    commodity_table,
    load_catalogue,
    load_feeds,
)
from cbi_pipeline.catalogue._document import CatalogueError, nearest
from cbi_pipeline.catalogue._evaluation import EvaluationPlan
from cbi_pipeline.catalogue._files import FileEntry, load_files
from cbi_pipeline.catalogue._recipes import RecipeFile, find_recipes, read_recipe

__all__ = [
    "PACKAGED",
    "Catalogue",
    "CatalogueError",
    "Commodity",
    "EvaluationPlan",
    "FeedEntry",
    "FileEntry",
    "RecipeFile",
    "commodity_table",
    "find_recipes",
    "load_catalogue",
    "load_feeds",
    "load_files",
    "nearest",
    "read_recipe",
]
