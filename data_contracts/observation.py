"""Contracts of observed values: what a feed parsed, and what the warehouse keeps of it."""

import polars as pl

from data_contracts.core import Contract, Instant, Table, column

STATUSES = ["value", "missing", "withheld", "withdrawn"]
BASES = ["stamp", "calendar", "first_seen", "assumed"]


class Parsed(Table):
    """One row as a feed parsed it, before any rule: text beside value, so nothing is lost."""

    series_id: str = column("Series the source row belongs to")
    period: pl.Date = column("Period; null when unreadable", nullable=True)
    value_text: str = column("Value as received", nullable=True)
    value: float = column("Value as a number; null when absent or unreadable", nullable=True)
    unit: str = column("Unit as received or as the feed documents it")
    status: str = column("What the publisher says of the value", isin=STATUSES)
    available_at: Instant = column("When the public could know it", nullable=True)
    available_basis: str = column("Belief behind available_at", isin=BASES)
    locator: str = column("Where in the response the row stands")
    row_json: str = column("Source row as JSON")


class Observation(Table):
    """One version of one period of one series. Corrections and withdrawals add versions."""

    series_id: str = column("Series")
    period: pl.Date = column("Period the value describes")
    version: int = column("1 for the first value known, then counting", ge=1)
    available_at: Instant = column("When the public could know this version")
    available_basis: str = column("Belief behind available_at", isin=BASES)
    seen_at: Instant = column("When we knew this version")
    txn_id: int = column("Transaction that wrote it", ge=1)
    value: float = column("Value in the series' unit; null unless status is value", nullable=True)
    value_text: str = column("Value as received", nullable=True)
    status: str = column("value, or why there is none", isin=STATUSES)
    response_id: str = column("Response that carried it")
    locator: str = column("Where in the response it stands")


class QuarantinedRow(Table):
    """One row that broke a rule: which rule, which value, and the row, so it can come back."""

    response_id: str = column("Response that carried it")
    locator: str = column("Where in the response it stands")
    rule: str = column("Rule it broke")
    feed: str = column("Feed")
    series_id: str = column("Series as parsed")
    period: pl.Date = column("Period as its source's parser read it", nullable=True)
    column_name: str = column("Column the rule reads")
    value: str = column("Offending value as text", nullable=True)
    row: str = column("Source row as JSON")
    contract_version: str = column("Contract version that refused it")
    fate: str = column("open, or what became of it", isin=["open", "accepted", "superseded"])
    txn_id: int = column("Transaction that set it aside", ge=1)
    seen_at: Instant = column("When it was set aside")


PARSED = Contract(table="parsed.observation", model=Parsed, key=("series_id", "period"))
OBSERVATION = Contract(
    table="raw.observation",
    model=Observation,
    key=("series_id", "period", "version"),
    indexed=False,
)
QUARANTINE = Contract(
    table="quarantine.row",
    model=QuarantinedRow,
    key=("response_id", "locator", "rule"),
    version="1.1.0",
    append_only=False,
)
