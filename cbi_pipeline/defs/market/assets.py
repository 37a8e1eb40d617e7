"""The commodities on their own sessions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import dagster as dg
import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.defs import metadata
from cbi_pipeline.defs.checks import BY_FAULT_LOG
from cbi_pipeline.defs.plots import Plots
from cbi_pipeline.defs.records import depend_on_records
from cbi_pipeline.operations.build_market import SessionsBuilt, build_market
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.store_sessions import store_sessions
from cbi_pipeline.warehouse import NothingPublished
from data_contracts.table_rules import RuleOutcome

KEY = dg.AssetKey(["market", "session"])


@dg.asset(
    key=KEY,
    group_name="market",
    kinds={"duckdb", "polars"},
    pool="warehouse",
    metadata=metadata.definition("market.session"),
    check_specs=[
        dg.AssetCheckSpec(
            "coverage",
            asset=KEY,
            metadata=BY_FAULT_LOG,
            description="In the years that are read, sessions that the calendar expects and the "
            "record lacks, and prices that it does not expect, stay within the limit. Nothing new "
            "is written of a commodity where they do not, and it is not forecast.",
        ),
        dg.AssetCheckSpec(
            "fresh",
            asset=KEY,
            metadata=BY_FAULT_LOG,
            description="The newest price is no older than the commodity allows; one that is "
            "older makes that commodity abstain.",
        ),
    ],
)
def session(
    pipeline: dg.ResourceParam[Pipeline],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Every version of each commodity's sessions, with the instant it became public."""
    built = built_or_failed(pipeline)
    yield coverage(built.outcomes)
    yield check_freshness(built.prices, built.sound, pipeline)
    stored = store_sessions(pipeline, built.prices)
    counts = {**metadata.rows(len(built.prices)), "new rows": stored.added}
    pictured = pictures(built.prices, pipeline)
    renewed = {"built anew": dict(stored.renewed)}
    numbers = newest_prices(built.prices, pipeline)
    yield dg.MaterializeResult(metadata={**counts, **renewed, **numbers, **pictured})


def built_or_failed(pipeline: Pipeline) -> SessionsBuilt:
    """The sessions.

    Raises:
        dagster.Failure: no source has brought anything yet.
    """
    try:
        return build_market(pipeline)
    except NothingPublished as error:
        # "Run it first" would be said to who is running it.
        raise dg.Failure(
            "no source has brought anything yet, so there is no price: what is wrong with them is "
            "told beside this, and by `cbi feeds check`",
            allow_retries=False,
        ) from error


def coverage(outcomes: Mapping[str, RuleOutcome]) -> dg.AssetCheckResult:
    """What the coverage rule found; one commodity's holes do not stop the others."""
    return dg.AssetCheckResult(
        check_name="coverage",
        passed=all(outcome.passed for outcome in outcomes.values()),
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(outcome.detail for outcome in outcomes.values()),
    )


def check_freshness(
    prices: pl.DataFrame, names: Collection[str], pipeline: Pipeline
) -> dg.AssetCheckResult:
    """Which of some commodities are too old to forecast from, which are of a closed record."""
    from cbi_pipeline.issued import closed_records, staleness

    as_of = pipeline.newest_as_of()
    reasons = staleness(prices, pipeline.catalogue, as_of)
    stale = [reason for name in names if (reason := reasons[name]) is not None]
    closed = closed_records(prices, pipeline.catalogue, as_of)
    return dg.AssetCheckResult(
        check_name="fresh",
        passed=not stale,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join([*stale, *closed.values()]) or "every price is recent",
    )


def newest_prices(prices: pl.DataFrame, pipeline: Pipeline) -> dict[str, float]:
    """The last price of each commodity; Dagster draws them."""
    from cbi_pipeline.market import latest_prices

    newest = latest_prices(prices, pipeline.newest_as_of()).sort("commodity", "session")
    last = newest.group_by("commodity", maintain_order=True).agg(pl.col("price").last())
    return {f"newest price of {name}": price for name, price in last.iter_rows()}


def pictures(prices: pl.DataFrame, pipeline: Pipeline) -> dict[str, dg.MarkdownMetadataValue]:
    """The price of each commodity as known now."""
    from cbi_pipeline.market import latest_prices
    from cbi_pipeline.report import charts

    newest = latest_prices(prices, pipeline.newest_as_of()).sort("commodity", "session")
    plots, drawn = Plots(pipeline.settings.plots_dir), {}
    for commodity in pipeline.catalogue.commodities:
        own = newest.filter(pl.col("commodity") == commodity.id)
        if own.is_empty():
            continue

        def draw(own: pl.DataFrame = own, commodity: Commodity = commodity) -> bytes:
            sessions, level = own["session"].to_list(), own["price"].to_list()
            figure = charts.history(sessions, level, commodity.unit)
            return charts.png(figure, title=commodity.name)

        figures = own.select("session", "price")
        drawn[f"price of {commodity.id}"] = plots.show(
            f"price/{commodity.id}", commodity.name, figures, draw
        )
    return drawn


@dg.definitions
def market() -> dg.Definitions:
    """The sessions, made of the profile's records."""
    return dg.Definitions(assets=[depend_on_records(session)])
