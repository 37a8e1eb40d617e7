"""The records that the profile forecasts from."""

import dagster as dg

from cbi_pipeline.catalogue import CatalogueError, load_catalogue
from cbi_pipeline.ingest import pricing_feeds
from cbi_pipeline.settings import Settings, load_settings


def _sources(settings: Settings) -> tuple[str, ...]:
    if settings.profile != "live":
        return ("archive",)
    try:
        catalogue = load_catalogue(*settings.catalogue_files, profile=settings.profile)
        return pricing_feeds(settings, catalogue)
    except CatalogueError:
        # The page opens all the same; every run says what is wrong.
        return ()


def after_records(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """An asset as one that is made of the records.

    A page that launches a night asks whether everything upstream is there: what the profile never
    asks would never be.
    """
    records = [dg.AssetKey(["raw", name]) for name in _sources(load_settings())]
    return asset.map_asset_specs(lambda spec: spec.merge_attributes(deps=records))
