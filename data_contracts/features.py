"""Contracts of feature rows and targets."""

import polars as pl

from data_contracts.core import Contract, Flags, Floats, Instant, Table, column


class FeatureRow(Table):
    """One commodity on one session as known at its decision instant; built once, never rebuilt."""

    feature_set: str = column("Name of the feature code that built it")
    commodity: str = column("Commodity")
    session: pl.Date = column("Newest session of the commodity that the row knows")
    decision_at: Instant = column("Instant at which the row was knowable")
    price: float = column("Price of the session as known then")
    values: Floats = column("Features in the set's order, 0 where absent")
    mask: Flags = column("True where a feature is present")
    ages: Floats = column("Days since each release group's newest value", unit="day")
    variance_ewma: float = column("EWMA(0.97) one-session log-return variance", ge=0, nullable=True)
    variance_long: float = column(
        "Expanding mean of squared one-session log returns", ge=0, nullable=True
    )
    ready: bool = column("True when the history suffices to forecast from")
    assumed: float = column(
        "Share of present features resting on an assumed release time", ge=0, le=1
    )


class Target(Table):
    """Log return from a session to the h-th following session, and when it became public."""

    feature_set: str = column("Feature set whose rows it belongs to")
    commodity: str = column("Commodity")
    session: pl.Date = column("Origin session")
    horizon: int = column("Sessions ahead", unit="session", ge=1)
    target_session: pl.Date = column("Session forecast")
    version: int = column("1 for the first target known, then counting", ge=1)
    value: float = column("Log return from origin to target; null when withdrawn", nullable=True)
    price: float = column("Price on the target session", nullable=True)
    available_at: Instant = column("When the target price became public")


ROW = Contract(table="features.row", model=FeatureRow, key=("feature_set", "commodity", "session"))
TARGET = Contract(
    table="features.target",
    model=Target,
    key=("feature_set", "commodity", "session", "horizon", "version"),
)
