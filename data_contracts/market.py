"""Contract of the sessions a commodity is forecast from."""

import polars as pl

from data_contracts.core import Contract, Instant, Table, column


class Session(Table):
    """One version of a commodity on one of its own sessions; what its source lacks is null.

    A spot series has a price alone.
    """

    commodity: str = column("Commodity of the catalogue")
    session: pl.Date = column("Session of the commodity's calendar")
    version: int = column("1 for the first that was public, then counting", ge=1)
    price: float = column(
        "Price in the commodity's unit, never rounded: the last or settlement; null when withdrawn",
        nullable=True,
    )
    open: float = column("First price of the session", nullable=True)
    high: float = column("Highest price of the session", nullable=True)
    low: float = column("Lowest price of the session", nullable=True)
    volume: int = column("Contracts traded in the session", unit="contract", ge=0, nullable=True)
    open_interest: int = column("Contracts open at its end", unit="contract", ge=0, nullable=True)
    realised_variance: float = column(
        "Sum of squared log returns within the session", ge=0, nullable=True
    )
    held_instrument: str = column("What was held: the spot series, or the dated contract")
    roll: bool = column("True on the first session of a newly held contract")
    roll_gap: float = column(
        "Price of the newly held contract less that of the one before it, on the session before; "
        "null where nothing was rolled",
        nullable=True,
    )
    available_at: Instant = column("When the public could know it")
    available_basis: str = column(
        "Belief behind available_at", isin=["stamp", "calendar", "first_seen", "assumed"]
    )


class EarlierSession(Session):
    """Rows that stood in ``market.session`` until the code built others in their place."""

    generation: int = column("Counts the times that a commodity's rows were built anew", ge=1)
    why: str = column("What differed")
    replaced_at: Instant = column("When other rows took their place")


SESSION = Contract(
    table="market.session",
    model=Session,
    key=("commodity", "session", "version"),
    version="1.1.0",
    append_only=False,
)
EARLIER_SESSION = Contract(
    table="market.earlier_session",
    model=EarlierSession,
    key=("commodity", "generation", "session", "version"),
)
