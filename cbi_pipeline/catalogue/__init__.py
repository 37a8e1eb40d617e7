"""The catalogue: commodities, the series they are priced by, their horizons and calendars."""

from cbi_pipeline.catalogue._catalogue import Catalogue, Commodity, FeedEntry
from cbi_pipeline.catalogue._document import CatalogueError, suggest_names
from cbi_pipeline.catalogue._evaluation import GATE_OPPONENTS, NAIVE, EvaluationPlan
from cbi_pipeline.catalogue._files import FileEntry
from cbi_pipeline.catalogue._layers import PROFILES, Layers, is_without_base, read_layers
from cbi_pipeline.catalogue._load import load_catalogue, load_feeds, load_files
from cbi_pipeline.catalogue._recipe_names import named_recipes, resolve_recipe
from cbi_pipeline.catalogue._recipes import (
    RecipeFile,
    find_recipes,
    read_recipe,
    read_recipe_file,
)

__all__ = [
    "GATE_OPPONENTS",
    "NAIVE",
    "PROFILES",
    "Catalogue",
    "CatalogueError",
    "Commodity",
    "EvaluationPlan",
    "FeedEntry",
    "FileEntry",
    "Layers",
    "RecipeFile",
    "find_recipes",
    "is_without_base",
    "load_catalogue",
    "load_feeds",
    "load_files",
    "named_recipes",
    "read_layers",
    "read_recipe",
    "read_recipe_file",
    "resolve_recipe",
    "suggest_names",
]
