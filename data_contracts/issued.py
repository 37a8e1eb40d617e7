"""Contracts of issued forecasts: the chain of what was said, and how it turned out."""

import polars as pl

from data_contracts.core import Contract, Instant, Table, column


class IssuedForecast(Table):
    """One quantile of one issued forecast; each row carries the hash of the row before."""

    sequence: int = column("Running number of the chain", ge=1)
    track: str = column("live, or replay for past dates", isin=["live", "replay"])
    as_of: Instant = column("What was known")
    commodity: str = column("Commodity")
    horizon: int = column("Sessions ahead", unit="session", ge=1)
    quantile: float = column("Level", gt=0, lt=1)
    model_version: str = column(
        "Registry version, founding for the founding model, or fold model of the walk-forward"
    )
    origin_session: pl.Date = column("Last price known")
    target_session: pl.Date = column("Session forecast")
    origin_price: float = column("Price of the origin session")
    value: float = column("Log return at that level")
    price: float = column("Price at that level")
    up: float = column("Probability that the price rises", ge=0, le=1)
    volatility: float = column("Standard deviation of the log return", ge=0)
    issued_at: Instant = column("When it was issued, on the wall clock")
    state: str = column("State of the data it rests on")
    carried: bool = column("True when the origin is unchanged since the desk's day before")
    prev_hash: str = column("Hash of the row before, 64 zeros for the first")
    row_hash: str = column("Hash of this row and prev_hash")


class Abstention(Table):
    """A forecast that was not issued, and why, in words."""

    track: str = column("live or replay", isin=["live", "replay"])
    as_of: Instant = column("What was known")
    commodity: str = column("Commodity")
    kind: str = column(
        "abstains (in order), waits (for a key or a file), cannot be forecast (a fault), or missed "
        "(no night issued for that day); null where it was issued before kinds were told apart",
        isin=["abstains", "waits", "cannot be forecast", "missed"],
        nullable=True,
    )
    reason: str = column("Why nothing was issued")


class IssuedScore(Table):
    """How one issued forecast turned out, against a vintage of the target price."""

    track: str = column("live or replay", isin=["live", "replay"])
    as_of: Instant = column("What was known at issue")
    commodity: str = column("Commodity")
    horizon: int = column("Sessions ahead", unit="session", ge=1)
    model_version: str = column("Model that forecast: registry version, founding or fold model")
    vintage: str = column(
        "Target price as first published, or as now known", isin=["first", "latest"]
    )
    target_session: pl.Date = column("Session forecast")
    actual: float = column("Log return that came")
    actual_price: float = column("Price that came")
    pinball: float = column("Mean pinball loss over the levels", ge=0)
    covered: bool = column("True when the price fell inside the 80 % band")
    hit: bool = column("True when the direction was right; null when nothing moved", nullable=True)
    error: float = column("Absolute error of the median", ge=0)
    naive_error: float = column("Absolute error of no change", ge=0)


FORECAST = Contract(
    table="issued.forecast",
    model=IssuedForecast,
    key=("track", "as_of", "commodity", "horizon", "quantile", "model_version"),
    # The longest table there is, and its ledger issues what was not said before alone.
    indexed=False,
)
ABSTENTION = Contract(
    table="issued.abstention",
    model=Abstention,
    key=("track", "as_of", "commodity"),
    version="1.2.0",
)
SCORE = Contract(
    table="issued.score",
    model=IssuedScore,
    key=("track", "as_of", "commodity", "horizon", "model_version", "vintage"),
    append_only=False,
)
