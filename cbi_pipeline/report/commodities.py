"""Read every commodity's part of the report, each table once for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.issued import (
    ABSTAINS,
    FORECAST,
    FOUNDING,
    FOUNDING_WORDS,
    closed_records,
    describe_unconfirmed,
    open_refusals,
)
from cbi_pipeline.market import latest_prices
from cbi_pipeline.report import formats
from cbi_pipeline.report.forecasts import (
    CommoditySection,
    EarlierForecast,
    HorizonForecast,
    at_level,
)
from cbi_pipeline.report.source import ReportSource

#: Of a commodity that is forecast although nothing tells how well.
NEVER_TESTED = "never tested: no past forecast of it could be judged yet"

Parts = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class _Tables:
    """What was read of all commodities at once, by commodity."""

    histories: Parts
    current: Parts
    abstentions: Parts
    earlier: Parts
    outcomes: Mapping[tuple[str, int], float]
    notes: Mapping[str, str]


def read_commodities(source: ReportSource) -> tuple[CommoditySection, ...]:
    """One section per commodity of the catalogue, in its order."""
    prices = source.store.table("market.session")
    newest = latest_prices(prices, source.as_of).sort("session")
    histories = split_commodities(newest)
    tables = _Tables(
        histories=histories,
        current=split_commodities(source.current),
        abstentions=split_commodities(source.abstentions),
        earlier=split_commodities(source.earlier),
        outcomes=_find_outcomes(source),
        notes=_write_notes(source, prices, histories),
    )
    today = formats.desk_day(source.as_of)
    return tuple(
        _read_commodity(commodity, tables, today) for commodity in source.catalogue.commodities
    )


def _read_commodity(commodity: Commodity, tables: _Tables, today: date) -> CommoditySection:
    history, rows = tables.histories.get(commodity.id), tables.current.get(commodity.id)
    silent = tables.abstentions.get(commodity.id) if rows is None else None
    return CommoditySection(
        id=commodity.id,
        name=commodity.name,
        unit=commodity.unit,
        horizons=tuple(commodity.horizons),
        sessions=tuple(history["session"]) if history is not None else (),
        prices=tuple(history["price"]) if history is not None else (),
        forecasts=_read_forecasts(commodity, rows, tables.outcomes, today)
        if rows is not None
        else (),
        origin=rows["origin_session"][0] if rows is not None else None,
        price=rows["origin_price"][0] if rows is not None else None,
        note=tables.notes[commodity.id] or None,
        abstention=silent["reason"][0] if silent is not None else None,
        status=(silent["kind"][0] or ABSTAINS) if silent is not None else FORECAST,
        before=_read_earlier(commodity, tables.earlier.get(commodity.id)),
    )


def split_commodities(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of each commodity, in their order."""
    parts = rows.partition_by("commodity", as_dict=True, maintain_order=True)
    return {str(name): part for (name,), part in parts.items()}


def label_horizon(commodity: Commodity, steps: int) -> str:
    """The catalogue's label of a number of sessions ahead."""
    labels = {count: label for label, count in commodity.horizons.items()}
    return labels.get(steps, f"{steps} sessions")


def _write_notes(source: ReportSource, prices: pl.DataFrame, histories: Parts) -> dict[str, str]:
    """What a reader must know of each forecast: its model, its record, its newest price."""
    closed = closed_records(prices, source.catalogue, source.as_of)
    founding = source.current.filter(pl.col("model_version") == FOUNDING)["commodity"].to_list()
    commodities = source.catalogue.commodities
    untested = set(source.current["commodity"]) - source.tested
    refused = open_refusals(source.store, *(commodity.price_series for commodity in commodities))
    notes = {}
    for commodity in commodities:
        history = histories.get(commodity.id, prices.clear())
        words = (
            FOUNDING_WORDS if commodity.id in founding else "",
            NEVER_TESTED if commodity.id in untested else "",
            closed.get(commodity.id, ""),
            describe_unconfirmed(commodity, refused, history, source.as_of),
        )
        notes[commodity.id] = "; ".join(filter(None, words))
    return notes


def _find_outcomes(source: ReportSource) -> dict[tuple[str, int], float]:
    """The price that came, by commodity and number of sessions ahead."""
    # A forecast that was carried on has no score of its own; its outcome is that of its target.
    target = ["track", "commodity", "horizon", "target_session"]
    came = source.outcomes.join(source.current, on=target, how="semi", maintain_order="left")
    key = zip(came["commodity"], came["horizon"], strict=True)
    return dict(zip(key, came["actual_price"], strict=True))


def _read_forecasts(
    commodity: Commodity,
    rows: pl.DataFrame,
    outcomes: Mapping[tuple[str, int], float],
    today: date,
) -> tuple[HorizonForecast, ...]:
    return tuple(
        HorizonForecast(
            horizon=label_horizon(commodity, part["horizon"][0]),
            sessions=part["horizon"][0],
            target=part["target_session"][0],
            quantiles=dict(zip(part["quantile"], part["price"], strict=True)),
            up=part["up"][0],
            passed=part["target_session"][0] < today,
            actual=outcomes.get((commodity.id, part["horizon"][0])),
        )
        for part in rows.sort("horizon", "quantile").partition_by("horizon", maintain_order=True)
    )


def _read_earlier(commodity: Commodity, rows: pl.DataFrame | None) -> EarlierForecast | None:
    if rows is None:
        return None
    first = rows.row(0, named=True)
    return EarlierForecast(
        as_of=first["as_of"],
        origin=first["origin_session"],
        price=first["origin_price"],
        medians={
            label_horizon(commodity, part["horizon"][0]): at_level(
                dict(zip(part["quantile"], part["price"], strict=True)), 0.5
            )
            for part in rows.partition_by("horizon", maintain_order=True)
        },
        model=first["model_version"],
    )
