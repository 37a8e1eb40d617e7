"""When a commodity's price is too old to forecast from, and how that is said."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.market import DECISION_ZONE, latest_prices

# The desk's day: as-of instants are 23:00 there.
DESK = ZoneInfo(DECISION_ZONE)


def staleness(prices: pl.DataFrame, catalogue: Catalogue, as_of: datetime) -> dict[str, str | None]:
    """Per commodity, why no forecast can be issued, in words; None when one can.

    A record the catalogue declares closed is not stale: see :func:`closed_records`.

    Args:
        prices: rows of market.session, all versions.
        catalogue: limits and closed records.
        as_of: only prices public by then count.
    """
    newest = newest_prices(prices, as_of)
    return {c.id: _reason(c, newest.get(c.id), as_of) for c in catalogue.commodities}


def closed_records(prices: pl.DataFrame, catalogue: Catalogue, as_of: datetime) -> dict[str, str]:
    """Commodities forecast from the end of a closed record, with the words a reader must see."""
    newest = newest_prices(prices, as_of)
    return {
        c.id: (
            f"historical demonstration: the record of {c.name} was closed on {c.record_ends}, "
            f"{_age(c.record_ends, as_of)} days before {_day(as_of)}; the forecast starts from "
            "its last price"
        )
        for c in catalogue.commodities
        if c.record_ends is not None and _is_closed(c, newest.get(c.id))
    }


def why_silent(commodity: Commodity, prices: pl.DataFrame, as_of: datetime) -> str | None:
    """Why a commodity with prices abstains on its newest one, in words; None when it does not.

    Args:
        commodity: its limit, and where its record is closed.
        prices: rows of market.session, all versions.
        as_of: only prices public by then count.
    """
    return _reason(commodity, newest_prices(prices, as_of).get(commodity.id), as_of)


def newest_prices(prices: pl.DataFrame, as_of: datetime) -> dict[str, tuple[date, float]]:
    """Session and price of each commodity's newest price as known at ``as_of``."""
    newest = latest_prices(prices, as_of).sort("session").select("commodity", "session", "price")
    return {commodity: (session, price) for commodity, session, price in newest.iter_rows()}


def _reason(commodity: Commodity, newest: tuple[date, float] | None, as_of: datetime) -> str | None:
    if newest is None:
        return f"no price of {commodity.name} is known on {_day(as_of)}"
    session, price = newest
    if price <= 0:
        return (
            f"newest price, of {session}, is {price:g} {commodity.unit}; "
            "a log return needs a positive price"
        )
    age = _age(session, as_of)
    if age <= commodity.stale_after_days or _is_closed(commodity, newest):
        return None
    return (
        f"newest price is of {session}, {age} days before {_day(as_of)}; "
        f"the limit is {commodity.stale_after_days} days"
    )


def _is_closed(commodity: Commodity, newest: tuple[date, float] | None) -> bool:
    ends = commodity.record_ends
    return ends is not None and newest is not None and newest[0] >= ends


def _age(session: date, as_of: datetime) -> int:
    return (_day(as_of) - session).days


def _day(as_of: datetime) -> date:
    return as_of.astimezone(DESK).date()
