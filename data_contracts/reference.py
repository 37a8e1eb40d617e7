"""Contracts of the reference tables: what a series or instrument is, and when it was released."""

import polars as pl

from data_contracts.core import Contract, Instant, Table, column


class Series(Table):
    """One followed series: what it measures, in which unit, from whom, with what rights."""

    series_id: str = column("Publisher's code with the agency in front, e.g. EIA.RWTC")
    family: str = column("Contract family whose rules its rows must keep")
    name: str = column("Publisher's title")
    unit: str = column("Unit of every value")
    frequency: str = column("How often a period occurs", isin=["daily", "weekly", "monthly"])
    dimensions: str = column("Further dimensions as JSON")
    source: str = column("Where our bytes come from")
    rights: str = column(
        "Rights label", isin=["public-domain", "attribution", "no-redistribution", "no-training"]
    )
    contract_version: str = column("Version of the family's contract")


class Instrument(Table):
    """One dated contract of an exchange."""

    dataset: str = column("Venue and feed, as the vendor names them, e.g. GLBX.MDP3")
    instrument: str = column("Name of the contract within the dataset, e.g. CLH6")
    product: str = column("Product it belongs to, e.g. CL")
    expiry: pl.Date = column("Last day of trading")
    multiplier: float = column("Price units in one contract", gt=0)
    calendar: str = column("Calendar of its sessions")


class Release(Table):
    """When a period of a family was released, and on what belief."""

    family: str = column("Contract family")
    period: pl.Date = column("Period released")
    released_at: Instant = column("Instant of release")
    basis: str = column(
        "Belief behind the instant", isin=["stamp", "calendar", "first_seen", "assumed"]
    )


class Asked(Table):
    """Whether nights ask for a series; those that they always asked for have no row."""

    series_id: str = column("Series of a live feed")
    asked: bool = column("Whether the newest night asked for it")


SERIES = Contract(table="ref.series", model=Series, key=("series_id",), append_only=False)
INSTRUMENT = Contract(
    table="ref.instrument", model=Instrument, key=("dataset", "instrument"), append_only=False
)
ASKED = Contract(table="ref.asked", model=Asked, key=("series_id",), append_only=False)
RELEASE = Contract(table="ref.release", model=Release, key=("family", "period"), append_only=False)
