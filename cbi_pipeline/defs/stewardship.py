"""Who answers for an asset, and how long ago it may have been made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import dagster as dg

from cbi_pipeline.catalogue import CatalogueError
from cbi_pipeline.ingest import profile_feeds
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings, load_settings
from data_contracts.families import family

#: By asset group. The names are Dagster's own, of teams that a user need not have.
OWNERS = {
    "ingest": "team:data",
    "market": "team:data",
    "features": "team:data",
    "evaluation": "team:models",
    "registry": "team:models",
    "forecasting": "team:models",
    "issued": "team:desk",
    "report": "team:desk",
}


def steward() -> Callable[[dg.AssetSpec], dg.AssetSpec]:
    """What gives each asset its owner, its stage as a tag, and how fresh it has to be.

    Closed records are made once: freshness is asked of services alone.
    """
    settings = load_settings()
    limits = freshness_limits(settings) if settings.has_services else {}

    def describe(spec: dg.AssetSpec) -> dg.AssetSpec:
        group = str(spec.group_name)
        # A stage of one's own names its owners itself.
        owners = [OWNERS[group]] if group in OWNERS else []
        owned = spec.merge_attributes(owners=owners, tags={"cbi/stage": group})
        limit = limits.get(spec.key.to_user_string(), limits.get(group))
        if limit is None:
            return owned
        return owned.replace_attributes(freshness_policy=dg.FreshnessPolicy.time_window(limit))

    return describe


def freshness_limits(settings: Settings) -> dict[str, timedelta]:
    """How long ago what follows the records may have been made, by asset or by asset group.

    What a feed brings gets stale as the contract of its quickest family says; everything made of
    prices as the commodity that bears the least. The page counts from the last run: how old the
    values are that a service still answers with, the check ``fresh`` says.
    """
    try:
        feeds = profile_feeds(settings)
        commodities = Pipeline(settings).catalogue.commodities
    except CatalogueError:
        # The page opens all the same; every run says what is wrong.
        return {}
    limits = {
        f"{stage}/{name}": min(family(series.family).staleness for series in feed.series)
        for name, feed in feeds.items()
        for stage in ("landing", "raw")
    }
    days = min(commodity.stale_after_days for commodity in commodities)
    return limits | dict.fromkeys(OWNERS.keys() - {"ingest"}, timedelta(days=days))
