"""Contracts of what an exchange publishes of its dated contracts: bars, and daily statistics."""

from data_contracts.core import Contract, Instant, Table, column
from data_contracts.observation import BASES, STATUSES

NANO = "1e-9 of the instrument's price unit"


class ParsedBar(Table):
    """One bar as a source parsed it, before any rule. An undefined number is null."""

    series_id: str = column("Series the bar belongs to: one instrument at one width")
    ts_event: Instant = column("Start of the bar; null when unreadable", nullable=True)
    open: int = column("First price; null when undefined", unit=NANO, nullable=True)
    high: int = column("Highest price; null when undefined", unit=NANO, nullable=True)
    low: int = column("Lowest price; null when undefined", unit=NANO, nullable=True)
    close: int = column("Last price; null when undefined", unit=NANO, nullable=True)
    volume: int = column(
        "Contracts traded; null when undefined", unit="contract", nullable=True, ge=0
    )
    unit: str = column("Unit of the prices as received or as the source documents it")
    status: str = column("What the publisher says of the bar", isin=STATUSES)
    available_at: Instant = column("When the public could know it", nullable=True)
    available_basis: str = column("Belief behind available_at", isin=BASES)
    locator: str = column("Where in the response the bar stands")
    row_json: str = column("Source row as JSON")


class Bar(Table):
    """One version of one bar of one instrument. Prices are whole numbers, never rounded.

    An hour without trades has no row.
    """

    series_id: str = column("Series: one instrument at one width")
    dataset: str = column("Venue and feed, as the vendor names them, e.g. GLBX.MDP3")
    instrument: str = column("Instrument")
    width: str = column("Length of the bar", isin=["1m", "1h", "1d"])
    ts_event: Instant = column("Start of the bar")
    version: int = column("1 for the first bar known, then counting", ge=1)
    open: int = column("First price; null unless status is value", unit=NANO, nullable=True)
    high: int = column("Highest price; null unless status is value", unit=NANO, nullable=True)
    low: int = column("Lowest price; null unless status is value", unit=NANO, nullable=True)
    close: int = column("Last price; null unless status is value", unit=NANO, nullable=True)
    volume: int = column(
        "Contracts traded; null unless status is value", unit="contract", nullable=True, ge=0
    )
    status: str = column("value, or why there is none", isin=STATUSES)
    available_at: Instant = column("When the public could know this version")
    available_basis: str = column("Belief behind available_at", isin=BASES)
    seen_at: Instant = column("When we knew this version")
    txn_id: int = column("Transaction that wrote it", ge=1)
    response_id: str = column("Response that carried it")
    locator: str = column("Where in the response it stands")


class Statistic(Table):
    """One version of one figure the exchange gives for a session of one instrument."""

    dataset: str = column("Venue and feed, as the vendor names them, e.g. GLBX.MDP3")
    instrument: str = column("Instrument")
    ts_event: Instant = column("When the exchange stated it")
    kind: str = column("Which figure", isin=["settlement", "open_interest"])
    version: int = column("1 for the first figure known, then counting", ge=1)
    price: int = column("Settlement price; null for open interest", unit=NANO, nullable=True)
    quantity: int = column(
        "Open contracts; null for a settlement", unit="contract", nullable=True, ge=0
    )
    available_at: Instant = column("When the public could know this version")
    available_basis: str = column("Belief behind available_at", isin=BASES)
    seen_at: Instant = column("When we knew this version")
    txn_id: int = column("Transaction that wrote it", ge=1)
    response_id: str = column("Response that carried it")
    locator: str = column("Where in the response it stands")


PARSED_BAR = Contract(table="parsed.bar", model=ParsedBar, key=("series_id", "ts_event"))
BAR = Contract(
    table="raw.bar",
    model=Bar,
    key=("dataset", "instrument", "width", "ts_event", "version"),
    version="2.0.0",
    indexed=False,
)
STATISTIC = Contract(
    table="raw.statistic",
    model=Statistic,
    key=("dataset", "instrument", "ts_event", "kind", "version"),
    indexed=False,
)
