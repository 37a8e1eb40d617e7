"""Contract of the price a commodity is forecast from."""

import polars as pl

from data_contracts.core import Contract, Instant, Table, column


class Price(Table):
    """One version of a commodity's price on one of its own sessions, never rounded."""

    commodity: str = column("Commodity of the catalogue")
    session: pl.Date = column("Session of the commodity's calendar")
    version: int = column("1 for the first price known, then counting", ge=1)
    price: float = column("Price in the commodity's unit; null when withdrawn", nullable=True)
    instrument: str = column("What was held: the spot series, or the dated contract")
    factor: float = column("Adjustment factor inside a window; 1 for spot", gt=0)
    roll: bool = column("True on the first session of a newly held contract")
    available_at: Instant = column("When the public could know it")
    available_basis: str = column(
        "Belief behind available_at", isin=["stamp", "calendar", "first_seen", "assumed"]
    )


PRICE = Contract(table="market.price", model=Price, key=("commodity", "session", "version"))
