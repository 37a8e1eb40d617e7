"""Building the rows that a night lacks, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.operations.faults import make_each
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.training_data import feature_set, followed_series
from data_contracts.features import GENERATION, ORIGIN

if TYPE_CHECKING:
    from cbi_pipeline.features import FeatureSet, Generation, Generations, Rows
    from cbi_pipeline.warehouse import Store


@dataclass(frozen=True)
class Built:
    """What a night built.

    Attributes:
        feature_set: the groups.
        rows: rows that were not there, each table with its own.
        every: all rows in use, the groups side by side.
        generations: what is in use, with what is not noted yet of it.
    """

    feature_set: FeatureSet
    rows: Rows
    every: pl.DataFrame
    generations: Generations


def build(pipeline: Pipeline) -> Built:
    """The rows due by now that are not stored; where one commodity fails the others are built."""
    from cbi_pipeline.features import (
        Market,
        Rows,
        build_rows,
        read_generations,
        read_stored,
        renew,
        side_by_side,
    )

    catalogue, chosen = pipeline.catalogue, feature_set(pipeline.catalogue)
    with pipeline.warehouse.read() as store:
        used = read_generations(store, catalogue, chosen, pipeline.now())
        stored = read_stored(store, chosen, used)
        series = followed_series(catalogue)
        market = Market(
            prices=store.table("market.session"),
            observations=store.table("raw.observation", "series_id = ANY(?)", [series]),
            catalogue=catalogue,
        )
    as_of, at_sight = pipeline.newest_as_of(), not pipeline.settings.has_services

    def make(commodity: Commodity) -> tuple[dict[str, Generation], Rows]:
        before, seed = used.used[commodity.id], int(as_of.timestamp())
        own = stored.of(commodity.id)
        today = renew(commodity, before, own, market, at_sight=at_sight, seed=seed)
        names = {group: generation.name for group, generation in today.items()}
        kept = own.in_use(used.replace_groups(commodity.id, today))
        return today, build_rows(market, commodity, names, kept, as_of, at_sight=at_sight)

    made = make_each(pipeline, "features", make)
    fresh = Rows.nothing(chosen)
    for commodity, (today, rows) in made.items():
        fresh = fresh.and_also(rows)
        used = used.replace_groups(commodity, today)
    kept = stored.in_use(used)
    return Built(chosen, fresh, side_by_side(kept.and_also(fresh)), used.only(made))


def store_rows(pipeline: Pipeline, built: Built) -> None:
    """Add what was built in one transaction, and publish; nothing is opened where all is there."""
    from cbi_pipeline.features import VIEW, view_select

    with pipeline.warehouse.read() as store:
        if _is_stored(store, built):
            return
    with pipeline.warehouse.write() as store, store.transaction():
        store.append(GENERATION.table, _select_unstored(store, built.generations.notes))
        _add(store, built.rows)
        store.define(VIEW, view_select(built.feature_set))
    pipeline.warehouse.publish()


def _is_stored(store: Store, built: Built) -> bool:
    from cbi_pipeline.features import VIEW, view_columns

    rows = [built.generations.notes, built.rows.origins, *built.rows.groups.values()]
    is_wide = store.columns(VIEW) == view_columns(built.feature_set)
    return is_wide and all(frame.is_empty() for frame in rows)


def _add(store: Store, rows: Rows) -> None:
    from cbi_pipeline.features import contract_of

    # A run killed between commit and publication left rows that no snapshot shows yet.
    for group, frame in rows.groups.items():
        contract = contract_of(group)
        stored = store.group(
            contract, "commodity = ANY(?)", [frame["commodity"].unique().to_list()]
        )
        store.append_group(contract, frame.join(stored, on=contract.key, how="anti"))
    stored = store.table(ORIGIN.table)
    store.append(ORIGIN.table, rows.origins.join(stored, on=ORIGIN.key, how="anti"))


def _select_unstored(store: Store, notes: pl.DataFrame) -> pl.DataFrame:
    return notes.join(store.table(GENERATION.table), on=GENERATION.key, how="anti")
