"""Which records an asset waits for: those of the feeds that price the profile's commodities."""

import dagster as dg

from cbi_pipeline.catalogue import CatalogueError, load_catalogue
from cbi_pipeline.ingest import pricing_feeds
from cbi_pipeline.settings import Settings, load_settings


def _name_pricing_feeds(settings: Settings) -> tuple[str, ...]:
    if not settings.has_services:
        return ("archive",)
    try:
        catalogue = load_catalogue(*settings.catalogue_files, profile=settings.profile)
        return pricing_feeds(settings, catalogue)
    except CatalogueError:
        # The page opens all the same; every run says what is wrong.
        return ()


def depend_on_records(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset, depending on the records of every feed that brings a price.

    A page that launches a night asks whether everything upstream is there: what the profile never
    asks would never be.
    """
    records = [dg.AssetKey(["raw", name]) for name in _name_pricing_feeds(load_settings())]
    return asset.map_asset_specs(lambda spec: spec.merge_attributes(deps=records))
