"""What had arrived, and what arrived so late that rows had been built without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.features.as_of_series import Ints
from cbi_pipeline.features.group import (
    Group,
    OwnSession,
    RelatedGap,
    RelatedSession,
    Report,
    Series,
)
from cbi_pipeline.features.reader import Market
from cbi_pipeline.market.prices import build_sessions
from data_contracts.families import family

_NEVER = np.iinfo(np.int64).min


def inputs_of(
    commodity: Commodity, group: Group | None, catalogue: Catalogue
) -> dict[str, timedelta]:
    """Series that rows are built from, and how old the newest value of each may be.

    Args:
        commodity: whose rows.
        group: of which group; None for the origins.
        catalogue: which series each commodity reads.
    """
    inputs: dict[str, timedelta] = {}
    for source in (OwnSession(),) if group is None else group.sources:
        if isinstance(source, OwnSession | RelatedGap):
            inputs[commodity.price_series] = timedelta(days=commodity.stale_after_days)
        if isinstance(source, RelatedSession | RelatedGap):
            other = catalogue.find_related(commodity)
            if other is not None:
                inputs[other.price_series] = timedelta(days=other.stale_after_days)
        if isinstance(source, Series | Report) and group is not None:
            assigned = catalogue.series_of(commodity, group.name).get(source.name)
            if assigned is not None:
                behind = group.series_behind(source, assigned)
                inputs |= dict.fromkeys(behind, family(source.family).staleness)
    return inputs


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """When the newest of what was public by an instant was seen.

    Attributes:
        available: int64 [n], microseconds UTC, ascending.
        newest: int64 [n], the newest sighting among the first 1, 2, ... n.
    """

    available: Ints
    newest: Ints

    @classmethod
    def of(cls, observations: pl.DataFrame) -> Sightings:
        """The sightings of some observations."""
        ordered = observations.sort("available_at").select(
            pl.col("available_at", "seen_at").dt.epoch("us")
        )
        seen = ordered["seen_at"].to_numpy()
        return cls(ordered["available_at"].to_numpy(), np.maximum.accumulate(seen))

    def until(self, instants: pl.Series) -> pl.Series:
        """Newest sighting among what was public by each instant, null where nothing was."""
        count = np.searchsorted(self.available, instants.dt.epoch("us").to_numpy(), side="right")
        newest = np.concatenate([[_NEVER], self.newest])[count]
        return (
            pl.select(pl.when(pl.lit(newest > _NEVER)).then(pl.from_epoch(pl.lit(newest), "us")))
            .to_series()
            .cast(pl.Datetime("us", "UTC"))
        )


def late_sightings(observations: pl.DataFrame, limits: Mapping[str, timedelta]) -> Sightings:
    """Sightings of what arrived later after its release than its series' values stay in use."""
    limit = pl.col("series_id").replace_strict(limits, default=None, return_dtype=pl.Duration("us"))
    return Sightings.of(observations.filter(pl.col("seen_at") - pl.col("available_at") > limit))


def market_as_arrived(market: Market, commodity: Commodity, until: datetime) -> Market:
    """What could be read of a commodity once everything up to a sighting had arrived.

    Its sessions, and those of its related market, are built from the observations themselves.

    Args:
        market: what can be read now.
        commodity: whose rows are built.
        until: the sighting.
    """
    observations = market.observations.filter(pl.col("seen_at") <= until)
    other = market.catalogue.find_related(commodity)
    both = [commodity] if other is None else [commodity, other]
    prices = pl.concat([build_sessions(observations, priced) for priced in both])
    return replace(market, prices=prices, observations=observations)
