"""The tables of feature rows: one of origins, one a group, and all of them side by side by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import polars as pl

from cbi_pipeline.features.declarations import ORIGIN as ORIGIN_GROUP
from cbi_pipeline.features.feature_sets import FeatureSet
from cbi_pipeline.features.generations import Generations
from cbi_pipeline.features.group import Group
from cbi_pipeline.warehouse import Store
from data_contracts import Contract
from data_contracts.features import ORIGIN, group_contract

VIEW = "features.panel"
_ROW = ("commodity", "session")
_BEHIND = ("generation", "arrived_at")


@cache
def contract_of(group: Group) -> Contract:
    """The table of a group, compiled from its declaration."""
    columns = {column.name: (column.meaning, column.unit) for column in group.columns}
    return group_contract(group.name, group.words, columns)


@dataclass(frozen=True)
class Rows:
    """Rows of some commodities, each table with its own.

    Attributes:
        origins: rows of ``features.origin``.
        groups: rows of each group's table.
    """

    origins: pl.DataFrame
    groups: Mapping[Group, pl.DataFrame]

    def of(self, commodity: str) -> Rows:
        """The rows of one commodity."""
        own = pl.col("commodity") == commodity
        groups = {group: frame.filter(own) for group, frame in self.groups.items()}
        return Rows(self.origins.filter(own), groups)

    def and_also(self, other: Rows) -> Rows:
        """These rows and those of the same groups in another."""
        groups = {
            group: pl.concat([frame, other.groups[group]]) for group, frame in self.groups.items()
        }
        return Rows(pl.concat([self.origins, other.origins]), groups)

    def in_use(self, generations: Generations) -> Rows:
        """Those of the generations in use."""

        def select_used(group: str, frame: pl.DataFrame) -> pl.DataFrame:
            pairs = generations.of(group)
            return frame.join(pairs, on=pairs.columns, how="semi", maintain_order="left")

        groups = {group: select_used(group.name, frame) for group, frame in self.groups.items()}
        return Rows(select_used(ORIGIN_GROUP, self.origins), groups)

    @classmethod
    def nothing(cls, feature_set: FeatureSet) -> Rows:
        """No rows."""
        groups = {group: contract_of(group).empty() for group in feature_set.read}
        return cls(ORIGIN.empty(), groups)


def read_origins(store: Store, generations: Generations) -> pl.DataFrame:
    """Rows of ``features.origin`` in use."""
    pairs = generations.of(ORIGIN_GROUP)
    rows = store.table(ORIGIN.table, "generation = ANY(?)", [pairs["generation"].to_list()])
    return rows.join(pairs, on=pairs.columns, how="semi", maintain_order="left")


def read_group(store: Store, group: Group, generations: Generations) -> pl.DataFrame:
    """Rows of a group's table in use."""
    pairs = generations.of(group.name)
    rows = store.group(contract_of(group), "generation = ANY(?)", [pairs["generation"].to_list()])
    return rows.join(pairs, on=pairs.columns, how="semi", maintain_order="left")


def side_by_side(parts: Rows) -> pl.DataFrame:
    """One line per origin with every group's columns by name.

    Returns:
        commodity, session, decision_at, price, variance_ewma, variance_long, ready, the columns of
        each group (float32, null where absent), and ``age_<name>`` of each (days, null when there
        never was a value), in order of commodity and session.
    """
    rows, groups = parts.origins.drop(_BEHIND), parts.groups
    for group, frame in groups.items():
        named = frame.drop("generation", "decision_at", "assumed", "arrived_at").rename(
            {"age": group.age_column}
        )
        rows = rows.join(named, on=_ROW, how="left", maintain_order="left")
    columns = [column.name for group in groups for column in group.columns]
    ages = [group.age_column for group in groups]
    return rows.select(*_list_fixed(), *columns, *ages).sort(_ROW)


def _list_fixed() -> list[str]:
    return [name for name in ORIGIN.dtypes if name not in _BEHIND]


def read_stored(store: Store, feature_set: FeatureSet, generations: Generations) -> Rows:
    """The rows in use, each table with its own."""
    return Rows(
        read_origins(store, generations),
        {group: read_group(store, group, generations) for group in feature_set.read},
    )


def read_rows(store: Store, feature_set: FeatureSet, generations: Generations) -> pl.DataFrame:
    """The rows in use, as :func:`side_by_side` gives them."""
    return side_by_side(read_stored(store, feature_set, generations))


def view_columns(feature_set: FeatureSet) -> list[str]:
    """Columns of the view that joins the groups of a set."""
    return list(side_by_side(Rows.nothing(feature_set)).columns)


def view_select(feature_set: FeatureSet) -> str:
    """The SELECT of that view: the rows in use, as :func:`side_by_side` gives them."""
    joins = "".join(_joins(feature_set))
    groups = feature_set.read
    fixed = ", ".join(f'origin."{name}"' for name in _list_fixed())
    columns = ", ".join(f'"{c.name}"' for group in groups for c in group.columns)
    ages = ", ".join(f'"{group.name}".age AS "{group.age_column}"' for group in groups)
    return f"""
        WITH used AS (
            FROM features.generation QUALIFY number = max(number) OVER (
                PARTITION BY feature_group, commodity))
        SELECT {fixed}, {columns}, {ages}
        FROM features.origin SEMI JOIN used ON used.feature_group = '{ORIGIN_GROUP}'
            AND used.commodity = origin.commodity AND used.generation = origin.generation
        {joins}
        ORDER BY origin.commodity, origin.session"""


def _joins(feature_set: FeatureSet) -> Iterator[str]:
    for group in feature_set.read:
        columns = ", ".join(f'g."{column.name}"' for column in group.columns)
        yield f"""
        LEFT JOIN (
            SELECT g.commodity, g.session, {columns}, g.age FROM features."{group.name}" g
            SEMI JOIN used ON used.feature_group = '{group.name}'
                AND used.commodity = g.commodity AND used.generation = g.generation
        ) AS "{group.name}" ON "{group.name}".commodity = origin.commodity
            AND "{group.name}".session = origin.session"""
