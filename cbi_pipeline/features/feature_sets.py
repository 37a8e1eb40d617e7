"""What a feature set is: the groups that are read, under a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.features.declarations import meanings
from cbi_pipeline.features.group import Column, Group
from cbi_pipeline.features.groups import find_groups


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """The groups whose columns make a panel.

    Attributes:
        name: its groups, or the core and what is read beside it.
        read: its groups, in the order of their columns.
        meanings: what the rows of each commodity mean; empty where no catalogue says so.
    """

    name: str
    read: tuple[Group, ...]
    meanings: Mapping[str, str] = field(default_factory=dict)

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


def feature_set(catalogue: Catalogue) -> FeatureSet:
    """The groups that a catalogue reads, in its order."""
    groups = find_groups()
    read = tuple(groups[name] for name in catalogue.group_names if name in groups)
    return FeatureSet(_name(group.name for group in read), read, meanings(catalogue, read))


def series_read(catalogue: Catalogue) -> list[str]:
    """Every series that a catalogue's commodities are priced by or read in a group, sorted."""
    groups = find_groups()
    series = {commodity.price_series for commodity in catalogue.commodities}
    for commodity in catalogue.commodities:
        for group in (groups[name] for name in catalogue.group_names if name in groups):
            names = catalogue.series_of(commodity, group.name)
            for source in group.assigned:
                if source.name in names:
                    series.update(group.series_behind(source, names[source.name]))
    return sorted(series)


def named_groups(name: str) -> tuple[str, ...] | None:
    """The groups that the name of a feature set lists; None where it is no list of groups."""
    if name == _NO_GROUPS:
        return ()
    first, *further = name.split("+")
    names = (*(_CORE if first == _CORE_NAME else (first,)), *further)
    return names if set(names) <= find_groups().keys() else None


def _name(groups: Iterable[str]) -> str:
    names = list(groups)
    if not names:
        return _NO_GROUPS
    if not set(_CORE) <= set(names):
        return "+".join(names)
    return "+".join([_CORE_NAME, *(name for name in names if name not in _CORE)])


_NO_GROUPS = "none"
_CORE_NAME = "core-1"
_CORE = ("own_price", "related_price", "petroleum_weekly", "petroleum_monthly")

#: The groups that every catalogue starts from.
CORE_1 = FeatureSet(_CORE_NAME, tuple(find_groups()[name] for name in _CORE))
