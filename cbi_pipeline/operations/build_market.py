"""Building the sessions of each commodity, and which of them are whole enough to be stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from cbi_pipeline.catalogue import CatalogueError, Commodity
from cbi_pipeline.operations.faults import make_each
from cbi_pipeline.operations.pipeline import Pipeline
from data_contracts.market import SESSION
from data_contracts.table_rules import RuleOutcome


@dataclass(frozen=True)
class SessionsBuilt:
    """What was built.

    Attributes:
        prices: rows of ``market.session`` of the commodities that keep the coverage rule.
        outcomes: what the rule found, by commodity whose sessions could be made.
    """

    prices: pl.DataFrame
    outcomes: Mapping[str, RuleOutcome]

    @property
    def sound(self) -> list[str]:
        """Commodities that keep the rule."""
        return [name for name, outcome in self.outcomes.items() if outcome.passed]


def build_market(pipeline: Pipeline) -> SessionsBuilt:
    """The sessions of every commodity; where one fails the others are built.

    Raises:
        NothingPublished: no source has brought anything yet.
    """
    from cbi_pipeline.market import build_sessions

    series = [commodity.price_series for commodity in pipeline.catalogue.commodities]
    with pipeline.warehouse.read() as store:
        observations = store.table("raw.observation", "series_id = ANY(?)", [series])
        instruments = store.query("SELECT DISTINCT commodity, held_instrument FROM market.session")
    before = dict(instruments.iter_rows())

    def make(commodity: Commodity) -> pl.DataFrame:
        require_same_series(commodity, before.get(commodity.id))
        return build_sessions(observations, commodity)

    made = make_each(pipeline, "prices", make)
    prices = pl.concat([SESSION.empty(), *made.values()])
    built = SessionsBuilt(prices, check_coverage(prices, made, pipeline))
    return SessionsBuilt(prices.filter(pl.col("commodity").is_in(built.sound)), built.outcomes)


def require_same_series(commodity: Commodity, before: str | None) -> None:
    """One name keeps one series: its forecasts are on the record, and are scored by its prices.

    Args:
        commodity: as in the catalogue.
        before: the series that its stored prices came from; None where there are none.

    Raises:
        CatalogueError: the catalogue gives it another one.
    """
    if before not in (None, commodity.price_series):
        raise CatalogueError(
            f"it has been forecast from {before} here and the catalogue now says "
            f"{commodity.price_series}: give the commodity that follows {commodity.price_series} "
            "an id of its own, or use another CBI_HOME"
        )


def check_coverage(
    prices: pl.DataFrame, names: Collection[str], pipeline: Pipeline
) -> dict[str, RuleOutcome]:
    """The coverage rule on the years that are read of some commodities' records as known now."""
    from cbi_pipeline.market import YEARS_JUDGED, coverage_rule, latest_prices

    newest = latest_prices(prices, pipeline.newest_as_of())
    return {
        commodity.id: coverage_rule(newest, commodity, YEARS_JUDGED)
        for commodity in pipeline.catalogue.commodities
        if commodity.id in names
    }
