"""Years of nights put into a home's ledger of forecasts at once, as generated records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.issued import IssuedLedger
from cbi_pipeline.market import sessions
from cbi_pipeline.warehouse import Store, Warehouse
from data_contracts.issued import FORECAST

#: Of what a night says, what each night of the past says for itself.
OWN = ("as_of", "origin_session", "target_session", "origin_price", "price", "issued_at")
LINKS = ("sequence", "prev_hash", "row_hash")
NIGHT_AFTER = timedelta(days=1, hours=4)


def issue_years(
    warehouse: Warehouse, folder: Path, commodities: Sequence[Commodity], first: date
) -> int:
    """Say on every night since a day what the home's newest night said, of that night's prices.

    Args:
        warehouse: a home's, in which one night was spent.
        folder: where the plain file of its ledger lies.
        commodities: those of its catalogue.
        first: the first origin.

    Returns:
        Rows issued.
    """
    with warehouse.read() as store:
        spoken = store.table(FORECAST.table, "track = 'live'")
        prices = store.table("market.session", "session >= ?", [first])
    newest = spoken.filter(pl.col("as_of") == pl.col("as_of").max())
    nights = pl.concat([_list_nights(one, prices, newest) for one in commodities])
    rows = _fill(newest, nights).sort("as_of", "commodity", "horizon", "quantile")
    with warehouse.write() as store:
        issued = _append(store, folder, rows)
    warehouse.publish()
    return issued


def _append(store: Store, folder: Path, rows: pl.DataFrame) -> int:
    ledger = IssuedLedger(store, folder)
    years = rows.with_columns(year=pl.col("as_of").dt.year()).partition_by(
        "year", maintain_order=True, include_key=False
    )
    return sum(ledger.append(year) for year in years)


def _list_nights(one: Commodity, prices: pl.DataFrame, newest: pl.DataFrame) -> pl.DataFrame:
    """Origins and targets of a commodity, but those that the home itself has spoken of."""
    own = prices.filter(commodity=one.id).sort("session")
    days = own["session"].to_list()
    later = sessions(one.calendar, days[-1] + timedelta(days=1), days[-1] + timedelta(days=200))
    calendar = [*days, *later]
    nights = [
        own.select("commodity", origin_session="session", origin_price="price").with_columns(
            horizon=pl.lit(horizon, newest.schema["horizon"]),
            target_session=pl.Series(calendar[horizon : horizon + len(days)]),
        )
        for horizon in one.horizons.values()
    ]
    spoken = newest["as_of"].max()
    assert isinstance(spoken, datetime)
    as_of = pl.col("origin_session").cast(pl.Datetime("us", "UTC")) + NIGHT_AFTER
    every = pl.concat(nights).with_columns(as_of=as_of)
    return every.filter(pl.col("as_of") < spoken - timedelta(days=1))


def _fill(newest: pl.DataFrame, nights: pl.DataFrame) -> pl.DataFrame:
    said = newest.drop(*OWN, *LINKS)
    every = nights.join(said, on=["commodity", "horizon"])
    full = every.with_columns(
        price=pl.col("origin_price") * pl.col("value").exp(),
        issued_at=pl.col("as_of") + timedelta(minutes=20),
    )
    return full.select(newest.drop(*LINKS).columns)
