"""Which rows of each group are in use for each commodity, and what makes new ones beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from cbi_pipeline.catalogue import Catalogue, load_catalogue
from cbi_pipeline.features.declarations import (
    ORIGIN,
    Declaration,
    declarations,
    describe_change,
    meaning,
)
from cbi_pipeline.features.feature_sets import CORE_1, FeatureSet
from cbi_pipeline.warehouse import Store
from data_contracts.features import GENERATION

_DEFINING = ("id", "price_series", "calendar", "sessions_per_year", "stale_after_days")


@dataclass(frozen=True)
class Generations:
    """The generation in use of each commodity and group, the origins among them.

    Attributes:
        names: commodity to group to the generation's name in the group's table.
        notes: rows of ``features.generation`` that are not stored yet: what changed.
    """

    names: Mapping[str, Mapping[str, str]]
    notes: pl.DataFrame

    def of(self, group: str) -> pl.DataFrame:
        """Commodity and generation of a group's rows in use."""
        pairs = [(commodity, groups[group]) for commodity, groups in self.names.items()]
        schema = {"commodity": pl.String, "generation": pl.String}
        return pl.DataFrame(pairs, schema=schema, orient="row")


def read_generations(
    store: Store, catalogue: Catalogue, feature_set: FeatureSet, now: datetime
) -> Generations:
    """What is in use by the notes in a home, and what today's declarations change in it.

    Args:
        store: an open warehouse.
        catalogue: commodities, and what their groups read.
        feature_set: groups that are read.
        now: when a new generation is first used.
    """
    stored = store.table(GENERATION.table).sort("number")
    newest = {(row["feature_group"], row["commodity"]): row for row in stored.iter_rows(named=True)}
    earlier = _rows_of_earlier_versions(store, catalogue)
    names: dict[str, dict[str, str]] = {}
    notes = []
    for commodity, groups in declarations(catalogue, feature_set.read).items():
        names[commodity] = {}
        for group, declared in groups.items():
            before = newest.get((group, commodity))
            if before is not None and before["meaning"] == meaning(declared):
                names[commodity][group] = before["generation"]
                continue
            note = _note(declared, before, earlier.get((group, commodity)))
            names[commodity][group] = str(note["generation"])
            notes.append({"feature_group": group, "commodity": commodity, "noted_at": now, **note})
    return Generations(names, pl.DataFrame(notes, schema=GENERATION.dtypes))


def _note(
    declared: Declaration, before: Mapping[str, Any] | None, earlier: str | None
) -> dict[str, object]:
    if before is not None:
        number = before["number"] + 1
        why = describe_change(json.loads(before["declaration"]), declared)
        generation = meaning(declared)
    elif earlier is not None:
        number, generation = 1, earlier
        why = "carried over: built before generations were noted"
    else:
        number, generation, why = 1, meaning(declared), "first built"
    return {
        "number": number,
        "generation": generation,
        "meaning": meaning(declared),
        "declaration": json.dumps(declared, sort_keys=True),
        "why": why,
    }


def _rows_of_earlier_versions(store: Store, catalogue: Catalogue) -> dict[tuple[str, str], str]:
    """Generations by group and commodity that were built under the name of a whole feature set."""
    name = earlier_name(catalogue)
    held = store.query(
        "SELECT DISTINCT commodity FROM features.origin WHERE generation = ? ORDER BY 1", [name]
    )
    return {
        (group, commodity): name
        for commodity in held["commodity"]
        for group in (ORIGIN, *(group.name for group in CORE_1.read))
        if as_before(group, commodity, catalogue)
    }


def earlier_name(catalogue: Catalogue) -> str:
    """Name that earlier versions gave the features of a catalogue, by all its commodities.

    Two catalogues had one name where their commodities were priced and dated alike, in the same
    order: the related market was the first other commodity.
    """
    defined = [[getattr(one, name) for name in _DEFINING] for one in catalogue.commodities]
    digest = hashlib.sha256(json.dumps(defined).encode()).hexdigest()
    return f"{CORE_1.name}.{digest[:12]}"


def as_before(group: str, commodity: str, catalogue: Catalogue) -> bool:
    """Whether a group reads what it read before the catalogue said so."""
    one = catalogue.commodity(commodity)
    if group == "related_price":
        others = (other.id for other in catalogue.commodities if other.id != commodity)
        return one.related == next(others, None)
    return catalogue.series_of(one, group) == load_catalogue().groups.get(group, {})
