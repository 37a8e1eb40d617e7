"""Stored rows against what the code of today builds, and against what has arrived since.

Another hash of the code is a suspicion. A sample of the stored rows is then built anew from what
had arrived when they were stored: where it is equal to the bit, the rows stay in use and the hash
is noted; where it is not, a new generation begins. A few rows are built anew on every night,
whatever the hash.

History that arrives with instants in the past, later than the values of its series stay in use, may
change what a row would hold; where it does, a new generation begins as well. It means the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.code_closure import hash_closure
from cbi_pipeline.differences import describe_difference
from cbi_pipeline.features.arrivals import (
    Sightings,
    inputs_of,
    late_sightings,
    market_as_arrived,
)
from cbi_pipeline.features.declarations import ORIGIN
from cbi_pipeline.features.generations import Generation
from cbi_pipeline.features.group import Group, RelatedGap
from cbi_pipeline.features.origins import Origins, origins, origins_of
from cbi_pipeline.features.reader import Market, Reader
from cbi_pipeline.features.rows import build_group, build_origins
from cbi_pipeline.features.tables import Rows

SUSPECTED = 500
"""Stored rows of a group that are built anew where its code has another hash."""

NIGHTLY = 50
"""Stored rows of a group that are built anew on every night."""

_PACKAGES = ("cbi_pipeline.features", "cbi_pipeline.market", "data_contracts")
_NOT_COMPARED = ("generation", "commodity", "arrived_at")
_EQUAL = "the code has changed, and the rows built anew are equal"
_TAKEN = "what arrived late changes none of the rows"


def source_of(group: Group | None) -> str:
    """Hash of the code that builds the rows of a group; of the origins where there is none."""
    own = () if group is None else (f"cbi_pipeline.features.groups.{group.name}",)
    return hash_closure(("cbi_pipeline.features.rows", *own), _PACKAGES)[:12]


def renew(
    commodity: Commodity,
    used: Mapping[str, Generation],
    stored: Rows,
    market: Market,
    *,
    at_sight: bool,
    seed: int,
) -> dict[str, Generation]:
    """What is in use of a commodity once its stored rows were looked at.

    Args:
        commodity: whose rows.
        used: what is in use of each group, the origins among them.
        stored: the rows in use.
        market: what can be read.
        at_sight: as for :func:`origins`.
        seed: chooses the rows that are built anew where nothing is suspected.
    """
    check = _Check(commodity, stored, market, at_sight=at_sight, seed=seed)
    looked = {ORIGIN: check.look(None, used[ORIGIN])}
    for group in stored.groups:
        looked[group.name] = check.look(group, used[group.name])
    if looked[ORIGIN].name == used[ORIGIN].name:
        return looked
    # Their rows stand beside those of the origins, and were decided on when these were.
    for group in stored.groups:
        if looked[group.name].name == used[group.name].name:
            looked[group.name] = used[group.name].renew(
                source_of(group),
                market.arrived_at,
                f"its origins are built anew: {looked[ORIGIN].why}",
                same_meaning=True,
            )
    return looked


@dataclass(frozen=True)
class _Check:
    commodity: Commodity
    stored: Rows
    market: Market
    at_sight: bool
    seed: int

    def look(self, group: Group | None, used: Generation) -> Generation:
        """What is in use after a look at a group's rows."""
        rows = (self.stored.origins if group is None else self.stored.groups[group]).sort("session")
        source, arrived_at = source_of(group), self.market.arrived_at
        if rows.is_empty():
            return used if used.is_stored else used.follows(source, arrived_at, used.why)
        is_suspected = used.source != source
        picked = self._sample(group, rows, SUSPECTED if is_suspected else NIGHTLY)
        if (difference := self._as_it_was(group, picked)) is not None:
            return used.renew(
                source, arrived_at, f"computed otherwise: {difference}", same_meaning=False
            )
        outdated = self._select_outdated(group, rows, used)
        if (difference := self._difference(group, outdated, self.market)) is not None:
            return used.renew(
                source, arrived_at, f"history arrived late: {difference}", same_meaning=True
            )
        if is_suspected or not used.is_stored or len(outdated):
            why = used.why if not used.is_stored else _EQUAL if is_suspected else _TAKEN
            return used.follows(source, arrived_at, why)
        return used

    @cached_property
    def sightings(self) -> Sightings:
        """Of every series that any row of the commodity reads."""
        read = self._observations(None, *self.stored.groups)
        return Sightings.of(read)

    def _observations(self, *groups: Group | None) -> pl.DataFrame:
        catalogue = self.market.catalogue
        read = {name for group in groups for name in inputs_of(self.commodity, group, catalogue)}
        return self.market.observations.filter(pl.col("series_id").is_in(list(read)))

    def _sample(self, group: Group | None, rows: pl.DataFrame, wanted: int) -> pl.DataFrame:
        """A commodity's part of the rows of a group that are built anew, by session."""
        rows = rows.filter(pl.col("arrived_at").is_not_null())
        count = -(-wanted // len(self.market.catalogue.commodities))
        if len(rows) <= count:
            return rows
        if wanted == NIGHTLY:
            return rows.sample(count, seed=self.seed).sort("session")
        even = np.linspace(0, len(rows) - 1, count - count // 5).round().astype(int)
        return rows[np.unique([*even, *self._after_revisions(group, rows, count // 5)])]

    def _after_revisions(self, group: Group | None, rows: pl.DataFrame, count: int) -> list[int]:
        """Places of rows decided on first after something that they read was revised."""
        revised = self._observations(group).filter(pl.col("version") > 1)["available_at"]
        decided = rows["decision_at"].dt.epoch("us").to_numpy()
        after = np.unique(np.searchsorted(decided, revised.dt.epoch("us").to_numpy()))
        after = after[after < len(rows)]
        chosen = np.linspace(0, max(len(after) - 1, 0), min(count, len(after))).round().astype(int)
        places: list[int] = after[chosen].tolist()
        return places

    def _as_it_was(self, group: Group | None, picked: pl.DataFrame) -> str | None:
        """What differs in rows built anew from what had arrived when each was stored."""
        if picked.is_empty():
            return None
        newest = self.sightings.until(picked["decision_at"])
        late = (newest > picked["arrived_at"]).fill_null(value=False)
        difference = self._difference(group, picked.filter(~late), self.market)
        for arrived_at, part in self._by_arrival(picked.filter(late)):
            market = market_as_arrived(self.market, self.commodity, arrived_at)
            difference = difference or self._difference(group, part, market)
        return difference

    def _by_arrival(self, picked: pl.DataFrame) -> Iterator[tuple[datetime, pl.DataFrame]]:
        for (arrived_at,), part in picked.group_by("arrived_at", maintain_order=True):
            assert isinstance(arrived_at, datetime)
            yield arrived_at, part

    def _select_outdated(
        self, group: Group | None, rows: pl.DataFrame, used: Generation
    ) -> pl.DataFrame:
        """Rows that were built before something arrived that was public when they were decided."""
        limits = inputs_of(self.commodity, group, self.market.catalogue)
        late = late_sightings(self._observations(group), limits)
        accounted = pl.max_horizontal(
            pl.col("arrived_at"), pl.lit(used.arrived_at, pl.Datetime("us", "UTC"))
        )
        newest = late.until(rows["decision_at"])
        return rows.filter((pl.lit(newest) > accounted).fill_null(value=False))

    def _difference(self, group: Group | None, rows: pl.DataFrame, market: Market) -> str | None:
        """What differs in rows built anew from a market, in words; None where nothing does."""
        if rows.is_empty():
            return None
        anew = self._built_anew(group, rows, market)
        return describe_difference(rows.drop(_NOT_COMPARED), anew.drop(_NOT_COMPARED), ["session"])

    def _built_anew(self, group: Group | None, rows: pl.DataFrame, market: Market) -> pl.DataFrame:
        name = rows["generation"][0]
        if group is None:
            newest = rows["decision_at"].max()
            assert isinstance(newest, datetime)
            due = origins(market.prices, self.commodity, newest, at_sight=self.at_sight)
            kept = np.isin(due.session, rows["session"].to_physical().to_numpy())
            some = Origins(self.commodity, due.session[kept], due.decision[kept])
            return build_origins(Reader(some, market), name)
        return build_group(Reader(self._list_due(group, rows, market), market), group, name)

    def _list_due(self, group: Group, rows: pl.DataFrame, market: Market) -> Origins:
        if not any(isinstance(source, RelatedGap) for source in group.sources):
            return origins_of(rows, self.commodity)
        # A gap's history is that of the rows before it.
        newest, arrived_at = rows["decision_at"].max(), market.arrived_at
        before = self.stored.origins.filter(
            pl.col("decision_at") <= newest,
            (pl.col("arrived_at") <= arrived_at).fill_null(value=True),
        )
        return origins_of(before.sort("session"), self.commodity)
