"""Which rows of each group are in use for each commodity, and what makes new ones beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Generation:
    """What is in use of a group for a commodity: the newest note of it, stored or not yet.

    Attributes:
        number: counts the notes.
        name: generation of the rows in the group's table.
        meaning: hash of the declaration, numbered where equal words built other rows.
        declaration: formulas and inputs, JSON.
        why: what changed with this note.
        source: hash of the code that its rows are known to follow from; None where nobody noted it.
        arrived_at: newest sighting that its rows take account of; None where nobody noted it.
        before: name of the generation that was in use before; None where there was none.
        is_stored: whether the note is in the home.
    """

    number: int
    name: str
    meaning: str
    declaration: str
    why: str
    source: str | None
    arrived_at: datetime | None
    before: str | None
    is_stored: bool

    def follows(self, source: str, arrived_at: datetime | None, why: str) -> Generation:
        """The same rows, seen to follow from this code and to take account of what arrived."""
        if self.is_stored:
            noted = replace(self, number=self.number + 1, before=self.name, why=why)
        else:
            noted = self
        return replace(noted, source=source, arrived_at=arrived_at, is_stored=False)

    def renew(
        self, source: str, arrived_at: datetime | None, why: str, *, same_meaning: bool
    ) -> Generation:
        """Other rows of the same declaration beside these, which no one has built yet."""
        number = self.number + 1
        words = self.meaning.split(".")[0]
        return replace(
            self,
            number=number,
            name=f"{words}.{number}",
            meaning=self.meaning if same_meaning else f"{words}.{number}",
            why=why,
            source=source,
            arrived_at=arrived_at,
            before=self.name,
            is_stored=False,
        )


@dataclass(frozen=True)
class Generations:
    """The generation in use of each commodity and group, the origins among them.

    Attributes:
        used: commodity to group to what is in use.
        now: when a generation that is not noted yet is first used.
    """

    used: Mapping[str, Mapping[str, Generation]]
    now: datetime

    @property
    def names(self) -> dict[str, dict[str, str]]:
        """Commodity to group to the generation's name in the group's table."""
        return {
            commodity: {group: generation.name for group, generation in groups.items()}
            for commodity, groups in self.used.items()
        }

    @property
    def notes(self) -> pl.DataFrame:
        """Rows of ``features.generation`` that are not stored yet."""
        return self._notes(entry for entry in self._every() if not entry[2].is_stored)

    @property
    def changes(self) -> pl.DataFrame:
        """Those of the notes with which other rows come into use."""
        return self._notes(
            entry
            for entry in self._every()
            if not entry[2].is_stored and entry[2].before != entry[2].name
        )

    @property
    def meanings(self) -> dict[str, str]:
        """What the rows in use of each commodity mean, group by group."""
        return {
            commodity: " ".join(
                f"{group}:{generation.meaning}" for group, generation in groups.items()
            )
            for commodity, groups in self.used.items()
        }

    def of(self, group: str) -> pl.DataFrame:
        """Commodity and generation of a group's rows in use."""
        pairs = [(commodity, groups[group].name) for commodity, groups in self.used.items()]
        schema = {"commodity": pl.String, "generation": pl.String}
        return pl.DataFrame(pairs, schema=schema, orient="row")

    def give_meaning(self, feature_set: FeatureSet) -> FeatureSet:
        """The same groups with the meanings of the rows in use."""
        return replace(feature_set, meanings=self.meanings)

    def replace_groups(self, commodity: str, groups: Mapping[str, Generation]) -> Generations:
        """The same with other generations of some groups of a commodity."""
        return replace(self, used={**self.used, commodity: {**self.used[commodity], **groups}})

    def only(self, commodities: Iterable[str]) -> Generations:
        """The same of some commodities."""
        return replace(self, used={name: self.used[name] for name in commodities})

    def _every(self) -> Iterable[tuple[str, str, Generation]]:
        for commodity, groups in self.used.items():
            for group, generation in groups.items():
                yield commodity, group, generation

    def _notes(self, chosen: Iterable[tuple[str, str, Generation]]) -> pl.DataFrame:
        rows = [
            {
                "feature_group": group,
                "commodity": commodity,
                "number": generation.number,
                "generation": generation.name,
                "meaning": generation.meaning,
                "declaration": generation.declaration,
                "why": generation.why,
                "noted_at": self.now,
                "source": generation.source,
                "arrived_at": generation.arrived_at,
            }
            for commodity, group, generation in chosen
        ]
        return pl.DataFrame(rows, schema=GENERATION.dtypes)


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
    notes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in store.table(GENERATION.table).sort("number").iter_rows(named=True):
        notes.setdefault((row["feature_group"], row["commodity"]), []).append(row)
    earlier = _rows_of_earlier_versions(store, catalogue)
    used = {
        commodity: {
            group: _in_use(declared, notes.get((group, commodity)), earlier.get((group, commodity)))
            for group, declared in groups.items()
        }
        for commodity, groups in declarations(catalogue, feature_set.read).items()
    }
    return Generations(used, now)


def _in_use(
    declared: Declaration, notes: list[dict[str, Any]] | None, earlier: str | None
) -> Generation:
    words, text = meaning(declared), json.dumps(declared, sort_keys=True)
    if not notes:
        why = "carried over: built before generations were noted" if earlier else "first built"
        return Generation(1, earlier or words, words, text, why, None, None, None, is_stored=False)
    newest = notes[-1]
    alike = [note for note in notes if note["meaning"].split(".")[0] == words]
    # A change that is taken back finds the rows again that it had left.
    chosen = alike[-1] if alike else {**newest, "generation": words, "meaning": words}
    is_stored = chosen is newest
    if not alike:
        chosen |= {"source": None, "arrived_at": None}
    return Generation(
        number=newest["number"] if is_stored else newest["number"] + 1,
        name=chosen["generation"],
        meaning=chosen["meaning"],
        declaration=text,
        why=chosen["why"]
        if is_stored
        else describe_change(json.loads(newest["declaration"]), declared),
        source=chosen["source"],
        arrived_at=chosen["arrived_at"],
        before=newest["generation"],
        is_stored=is_stored,
    )


def _rows_of_earlier_versions(store: Store, catalogue: Catalogue) -> dict[tuple[str, str], str]:
    """Generations by group and commodity that were built under the name of a whole feature set."""
    name = earlier_name(catalogue)
    built = store.query(
        "SELECT DISTINCT commodity FROM features.origin WHERE generation = ? ORDER BY 1", [name]
    )
    return {
        (group, commodity): name
        for commodity in built["commodity"]
        for group in (ORIGIN, *(group.name for group in CORE_1.read))
        if as_before(group, commodity, catalogue)
    }


def earlier_name(catalogue: Catalogue) -> str:
    """Name that earlier versions gave the features of a catalogue, by all its commodities.

    Two catalogues had one name where their commodities were priced and dated alike, in the same
    order: the related market was the first other commodity.
    """
    defined = [
        [getattr(commodity, name) for name in _DEFINING] for commodity in catalogue.commodities
    ]
    digest = hashlib.sha256(json.dumps(defined).encode()).hexdigest()
    return f"{CORE_1.name}.{digest[:12]}"


def as_before(group: str, commodity: str, catalogue: Catalogue) -> bool:
    """Whether a group reads what it read before the catalogue said so."""
    declared = catalogue.commodity(commodity)
    if group == "related_price":
        others = (other.id for other in catalogue.commodities if other.id != commodity)
        return declared.related == next(others, None)
    return catalogue.series_of(declared, group) == load_catalogue().groups.get(group, {})
