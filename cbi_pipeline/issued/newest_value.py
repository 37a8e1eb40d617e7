"""What is to be said of a commodity's newest value: held, far from the rest, or never released."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.issued.abstain import DESK
from cbi_pipeline.market import next_sessions, sessions
from cbi_pipeline.warehouse import Store
from data_contracts.families import FAMILIES
from data_contracts.restatement import describe_jump, is_confirmable, is_jump


def open_refusals(store: Store, *series: str) -> pl.DataFrame:
    """Rows of some series that lie open in quarantine, as ``quarantine.row``, by period."""
    rows = store.table("quarantine.row", "series_id = ANY(?) AND fate = 'open'", [list(series)])
    row = ["series_id", "response_id", "locator"]
    return rows.unique(row, keep="first", maintain_order=True).sort(
        "period", "seen_at", nulls_last=False, maintain_order=True
    )


def describe_held_value(
    commodity: Commodity, store: Store, newest: date, as_of: datetime
) -> str | None:
    """That the value of the newest session is held for confirmation; None when it is not.

    Held is a series that was restated by a unit's factor, a power of ten or in the mass: until it
    is confirmed nobody knows which of its prices are right.

    Args:
        commodity: its price series and calendar.
        store: where its rows are set aside.
        newest: session of its newest price in use.
        as_of: a value of a later day is no session yet.
    """
    refused = open_refusals(store, commodity.price_series)
    waiting = [row for row in _list_refused(commodity, refused, newest, as_of) if _is_held(row)]
    if not waiting:
        return None
    row = waiting[-1]
    return (
        f"the value of {row['period']} is held for confirmation: {row['column_name']} "
        f"{row['value'] or 'empty'} breaks the rule {row['rule']}, and the newest price in use is "
        f"of {newest}. A second night that says the same confirms it, or `cbi quarantine retry "
        f"--rule {row['rule']}`"
    )


def describe_unconfirmed(
    commodity: Commodity, refused: pl.DataFrame, prices: pl.DataFrame, as_of: datetime
) -> str:
    """What a reader must know of a newest price that is forecast from; empty when nothing.

    It is far from those before it, or something of its session or a later one was set aside.

    Args:
        commodity: its price series and calendar.
        refused: what :func:`open_refusals` gave for its price series, among others perhaps.
        prices: session and price as known at ``as_of``, by session.
        as_of: what was set aside later is not told.
    """
    if prices.is_empty():
        return ""
    newest, price = prices.select("session", "price").row(-1)
    refusals = [
        row
        for row in _list_refused(commodity, refused, newest, as_of)
        if not _is_held(row) and row["seen_at"] <= as_of
    ]
    notes = []
    if refusals:
        row = refusals[-1]
        notes.append(
            f"unconfirmed: the value of {row['period']} was set aside, because "
            f"{row['column_name']} {row['value'] or 'empty'} breaks the rule {row['rule']}; the "
            f"newest price in use is of {newest}, see `cbi quarantine list`"
        )
    if is_jump(prices["price"].to_list()):
        notes.append(describe_jump(newest, price, commodity.unit))
    return "; ".join(notes)


def describe_missed_release(
    commodity: Commodity, store: Store, newest: date, as_of: datetime
) -> str | None:
    """That the release after the newest price is past due; None when it is not, or has no date.

    Args:
        commodity: its price series and calendar.
        store: which family the series is of; the family's contract holds the release rule.
        newest: session of its newest price.
        as_of: a release due later than that is not missed.
    """
    families = store.table("ref.series", "series_id = ?", [commodity.price_series])["family"]
    family = FAMILIES.get(families.item()) if len(families) else None
    if family is None or family.release is None:
        return None
    (session,) = next_sessions(commodity.calendar, newest, 1)
    due = family.release.rule(session)
    if due > as_of:
        return None
    return (
        f"missed release: the value of {session} was due on {due:%Y-%m-%d at %H:%M} UTC and has "
        "not come"
    )


def _list_refused(
    commodity: Commodity, refused: pl.DataFrame, newest: date, as_of: datetime
) -> list[dict[str, Any]]:
    """Refused rows of a price series, of the newest session and of later ones, by period."""
    days = sessions(commodity.calendar, newest, as_of.astimezone(DESK).date())
    own = pl.col("series_id") == commodity.price_series
    return refused.filter(own, pl.col("period").is_in(days)).to_dicts()


def _is_held(row: Mapping[str, Any]) -> bool:
    return is_confirmable(row["rule"])
