"""Contracts of the published views: what applications may build on, column by column."""

import polars as pl

from data_contracts.core import Contract, Instant, Table, column

_OWN_UNIT = "the commodity's, see price.unit"
_TRACK = "live, or replay for past dates"
_AS_OF = "What was known: everything public by this instant"
_TARGET = "Session forecast, of the commodity's own calendar"


class Version(Table):
    """Version of the published views, and the publication that this snapshot is."""

    version: str = column(
        "First figure: a column was renamed, retyped or removed; second: one was added"
    )
    publication: int = column("Running number of the publication")


class Price(Table):
    """Newest price of every commodity and session."""

    commodity: str = column("Commodity of the catalogue")
    session: pl.Date = column("Session that the price closed")
    price: float = column("Price, never rounded", unit="see unit")
    unit: str = column("Unit of the price", nullable=True)
    instrument: str = column("Series or contract that was priced")
    available_at: Instant = column("When the public could know it")
    available_basis: str = column("How that is known: stamp, calendar, first_seen or assumed")


class LatestForecast(Table):
    """Newest live forecast, without the commodities that abstained; of several, the last issued."""

    as_of: Instant = column(_AS_OF)
    commodity: str = column("Commodity of the catalogue")
    horizon: int = column("Sessions ahead", unit="session")
    quantile: float = column(
        "Level: the chance that the price is at or below `price`", unit="probability"
    )
    origin_session: pl.Date = column("Session of the last price known")
    target_session: pl.Date = column(_TARGET)
    origin_price: float = column("Last price known", unit=_OWN_UNIT)
    price: float = column("Price at that level", unit=_OWN_UNIT)
    log_return: float = column("Log return from the origin at that level", unit="log return")
    up: float = column("Probability that the price rises", unit="probability")
    volatility: float = column(
        "Standard deviation of the log return over the horizon", unit="log return"
    )
    model_version: str = column("Version in the registry, or founding for the founding model")
    issued_at: Instant = column("When it was issued, on the wall clock")
    carried: bool = column("True when the origin is unchanged since the desk's day before")


class Forecast(Table):
    """The last live forecast of each day at the desk, and every replay of a past day."""

    track: str = column(_TRACK)
    as_of: Instant = column(_AS_OF)
    commodity: str = column("Commodity of the catalogue")
    horizon: int = column("Sessions ahead", unit="session")
    quantile: float = column(
        "Level: the chance that the price is at or below `price`", unit="probability"
    )
    origin_session: pl.Date = column("Session of the last price known")
    target_session: pl.Date = column(_TARGET)
    origin_price: float = column("Last price known", unit=_OWN_UNIT)
    price: float = column("Price at that level", unit=_OWN_UNIT)
    log_return: float = column("Log return from the origin at that level", unit="log return")
    up: float = column("Probability that the price rises", unit="probability")
    volatility: float = column(
        "Standard deviation of the log return over the horizon", unit="log return"
    )
    model_version: str = column(
        "Registry version, founding for the founding model, or fold model of the walk-forward"
    )
    issued_at: Instant = column("When it was issued, on the wall clock")
    carried: bool = column("True when the origin is unchanged since the desk's day before")


class Score(Table):
    """How forecasts of a new origin turned out, by the first and the latest price of the target."""

    track: str = column(_TRACK)
    as_of: Instant = column(_AS_OF)
    commodity: str = column("Commodity of the catalogue")
    horizon: int = column("Sessions ahead", unit="session")
    model_version: str = column("Model that forecast")
    vintage: str = column("Target price as first published (first), or as known now (latest)")
    target_session: pl.Date = column(_TARGET)
    actual_price: float = column("Price that came", unit=_OWN_UNIT)
    log_return: float = column("Log return that came", unit="log return")
    pinball: float = column("Mean pinball loss over the levels", unit="log return")
    covered: bool = column("True when the price fell inside the 80 % band")
    hit: bool = column("True when the direction was right; null when nothing moved", nullable=True)
    error: float = column("Absolute error of the median", unit="log return")
    naive_error: float = column("Absolute error of no change", unit="log return")


class Model(Table):
    """Registered model versions."""

    version: int = column("Number in the registry")
    recipe: str = column("Name of the recipe")
    fingerprint: str = column("Hash of weights and configuration")
    state: str = column("State of the data it was trained on")
    as_of: Instant = column("Knowledge instant of its training rows")
    run_id: str = column("Tracking run in MLflow")
    note: str = column("What a reader must know")


class Freshness(Table):
    """How new each series that is asked for is, and how sure its knowledge times are."""

    series_id: str = column("Series")
    name: str = column("Name for people")
    unit: str = column("Unit of its values")
    frequency: str = column("daily, weekly, monthly, …")
    source: str = column("Publisher")
    rights: str = column("What may be done with it")
    newest_period: pl.Date = column("Newest period with a value", nullable=True)
    newest_available_at: Instant = column("When the public learned the newest", nullable=True)
    newest_seen_at: Instant = column("When it was seen here last", nullable=True)
    versions: int = column("Versions of its periods stored", unit="row")
    assumed_share: float = column(
        "Those whose knowledge time is assumed", unit="share", nullable=True
    )


class Quarantine(Table):
    """Rows set aside: the rule each broke, and what came of it."""

    feed: str = column("Feed that brought the row")
    series_id: str = column("Series as parsed")
    rule: str = column("Rule that it broke")
    column_name: str = column("Column that the rule reads")
    value: str = column("The offending value as text", nullable=True)
    fate: str = column("open, or what became of it")
    seen_at: Instant = column("When it was set aside")
    locator: str = column("Where in the response it stands")
    response_id: str = column("Response that it came in")
    contract_version: str = column("Version of the contract that judged it")
    period: pl.Date = column("Period as its source's parser read it", nullable=True)


PUBLISHED = {
    contract.table.removeprefix("pub."): contract
    for contract in (
        Contract(table="pub.latest_forecast", model=LatestForecast,
                 key=("commodity", "horizon", "quantile")),
        Contract(table="pub.forecast", model=Forecast,
                 key=("track", "as_of", "commodity", "horizon", "quantile", "model_version")),
        Contract(table="pub.price", model=Price, key=("commodity", "session")),
        Contract(table="pub.score", model=Score,
                 key=("track", "as_of", "commodity", "horizon", "model_version", "vintage")),
        Contract(table="pub.model", model=Model, key=("version",)),
        Contract(table="pub.freshness", model=Freshness, key=("series_id",)),
        Contract(table="pub.quarantine", model=Quarantine,
                 key=("response_id", "locator", "rule", "column_name")),
        Contract(table="pub.version", model=Version, key=()),
    )
}  # fmt: skip
"""Contract of each published view, by its plain name."""
