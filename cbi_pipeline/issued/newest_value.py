"""What became of the value after a commodity's newest price: held back here, or never released."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.issued.abstain import DESK
from cbi_pipeline.market import next_sessions, sessions
from cbi_pipeline.warehouse import Store
from data_contracts.families import FAMILIES
from data_contracts.restatement import is_confirmable


def open_refusals(store: Store, series: str) -> pl.DataFrame:
    """Rows of a series that lie open in quarantine, as ``quarantine.row``, by period."""
    rows = store.table("quarantine.row", "series_id = ? AND fate = 'open'", [series])
    return rows.unique(["response_id", "locator"], keep="first", maintain_order=True).sort(
        "period", "seen_at", nulls_last=False, maintain_order=True
    )


def describe_held_value(
    commodity: Commodity, store: Store, newest: date, as_of: datetime
) -> str | None:
    """That the value of the newest session is held for confirmation; None when it is not.

    Args:
        commodity: its price series and calendar.
        store: where its rows are set aside.
        newest: session of its newest price in use.
        as_of: a value of a later day is no session yet.
    """
    days = sessions(commodity.calendar, newest, as_of.astimezone(DESK).date())
    held = open_refusals(store, commodity.price_series).filter(pl.col("period").is_in(days))
    if held.is_empty():
        return None
    row = held.row(-1, named=True)
    settles = "A correction by the source settles it; see `cbi quarantine list`"
    if is_confirmable(row["rule"]):
        settles = (
            "A second night that says the same confirms it, or `cbi quarantine retry --rule "
            f"{row['rule']}`"
        )
    return (
        f"the value of {row['period']} is held for confirmation: {row['column_name']} "
        f"{row['value'] or 'empty'} breaks the rule {row['rule']}, and the newest price in use is "
        f"of {newest}. {settles}"
    )


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
