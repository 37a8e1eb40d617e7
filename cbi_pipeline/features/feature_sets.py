"""What a feature set is: the groups that are read, under a name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.features.group import Column, Group
from cbi_pipeline.features.groups import find_groups

_DEFINING = ("id", "price_series", "calendar", "sessions_per_year", "stale_after_days")


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """The groups whose columns make a panel.

    Attributes:
        name: name stored with every row.
        read: its groups, in the order of their columns.
    """

    name: str
    read: tuple[Group, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column in order."""
        return tuple(column for group in self.read for column in group.columns)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the ages, one a group."""
        return tuple(group.age_name for group in self.read)

    def on(self, catalogue: Catalogue) -> FeatureSet:
        """The set on a catalogue's commodities, under a name of its own.

        The same column means something else when a commodity is priced by another series, keeps
        another calendar, or faces another market; horizons, names and units do not matter.
        """
        defined: list[object] = [
            [getattr(one, name) for name in _DEFINING] for one in catalogue.commodities
        ]
        # Until catalogues named it, the related market was the first other commodity, and each
        # group read the packaged series: what says no more than that keeps its name.
        defined += [
            said for one in catalogue.commodities if (said := self._assigned(one, catalogue))
        ]
        digest = hashlib.sha256(json.dumps(defined).encode()).hexdigest()
        return replace(self, name=f"{self.name}.{digest[:12]}")

    def _assigned(self, one: Commodity, catalogue: Catalogue) -> list[object]:
        others = [other.id for other in catalogue.commodities if other is not one]
        related = one.related if one.related in others else None
        series = {
            f"{group.name}.{name}": series_id
            for group in self.read
            for name, series_id in catalogue.series_of(one, group.name).items()
            if series_id != catalogue.groups.get(group.name, {}).get(name)
        }
        if related == next(iter(others), None) and not series:
            return []
        return [one.id, related, sorted(series.items())]


def feature_set(catalogue: Catalogue) -> FeatureSet:
    """The groups that a catalogue reads, in its order, on its commodities."""
    groups = find_groups()
    read = tuple(groups[name] for name in catalogue.group_names if name in groups)
    further = (group.name for group in read if group.name not in _CORE)
    return FeatureSet("+".join(["core-1", *further]), read).on(catalogue)


_CORE = ("own_price", "related_price", "petroleum_weekly", "petroleum_monthly")

#: The groups that every catalogue starts from.
CORE_1 = FeatureSet("core-1", tuple(find_groups()[name] for name in _CORE))
