"""Storing sessions: new ones are added; stored ones that the code builds otherwise stand aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from cbi_pipeline.differences import describe_difference
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.warehouse import Store
from data_contracts.market import EARLIER_SESSION, SESSION


@dataclass(frozen=True)
class SessionsStored:
    """What was done.

    Attributes:
        added: rows that were not there.
        renewed: commodities whose rows were built anew, each with what differed.
    """

    added: int
    renewed: Mapping[str, str]


def store_sessions(pipeline: Pipeline, built: pl.DataFrame) -> SessionsStored:
    """Add sessions that are not stored, and publish; nothing is opened where all is there.

    Every stored row of a commodity follows from its observations, so one that differs from what is
    built was made by other code, or of observations that other rules had let in. All rows of that
    commodity then go to ``market.earlier_session``, and those that are built take their place.

    Args:
        pipeline: the home.
        built: every row of ``market.session`` of the commodities that it names.
    """
    with pipeline.warehouse.read() as store:
        differing = describe_renewals(store.table(SESSION.table), built)
    if not differing:
        return SessionsStored(pipeline.add({SESSION.table: built})[SESSION.table], {})
    with pipeline.warehouse.write() as store, store.transaction():
        renewed = describe_renewals(store.table(SESSION.table), built)
        for commodity, why in renewed.items():
            _set_aside(store, pipeline, commodity, why)
        fresh = built.join(store.table(SESSION.table), on=SESSION.key, how="anti")
        added = store.append(SESSION.table, fresh)
    pipeline.warehouse.publish()
    return SessionsStored(added, renewed)


def describe_renewals(stored: pl.DataFrame, built: pl.DataFrame) -> dict[str, str]:
    """Commodities of which a stored row differs from the one built, and what differs first."""
    reasons = {}
    for (commodity,), anew in built.group_by("commodity", maintain_order=True):
        own = stored.filter(pl.col("commodity") == commodity).drop("commodity")
        why = describe_difference(own, anew.drop("commodity"), ["session", "version"])
        if why is not None:
            reasons[str(commodity)] = why
    return reasons


def _set_aside(store: Store, pipeline: Pipeline, commodity: str, why: str) -> None:
    rows = store.table(SESSION.table, "commodity = ?", [commodity])
    earlier = store.query(
        f"SELECT coalesce(max(generation), 0) AS newest FROM {EARLIER_SESSION.table} "
        "WHERE commodity = ?",
        [commodity],
    )
    aside = rows.with_columns(
        generation=pl.lit(earlier["newest"][0] + 1, pl.Int64),
        why=pl.lit(why),
        replaced_at=pl.lit(pipeline.now(), pl.Datetime("us", "UTC")),
    )
    store.append(EARLIER_SESSION.table, aside)
    store.remove(SESSION.table, rows)
