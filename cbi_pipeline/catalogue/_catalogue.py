"""The catalogue: commodities, the series they are priced by, their horizons and calendars.

Its shape is checked here: every table, field and type, of every profile. Whether the names in it
mean something on this machine is for ``operations.check_catalogue`` to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from cbi_pipeline.catalogue._cron import require_cron
from cbi_pipeline.catalogue._document import CatalogueError, suggest_names
from cbi_pipeline.catalogue._evaluation import EvaluationPlan

#: Text that says why.
Reason = Annotated[str, Field(min_length=1)]


class Commodity(BaseModel):
    """One commodity that is forecast.

    Attributes:
        id: short name used in tables and commands.
        unit: unit of the price.
        price_series: series whose values are the price.
        calendar: name of the session calendar.
        sessions_per_year: sessions in an ordinary year, to annualise volatility.
        horizons: label to number of the commodity's own sessions ahead.
        liquid: True for traded markets, where skill above the usual is treated as a leak.
        stale_after_days: older than this at the as-of instant, no forecast is issued.
        related: commodity whose price it is set against; None for none.
        groups: by feature group, the series that it reads there for this commodity alone; a group
            named here is read beside those that every commodity reads.
        record_ends: last period of a closed historical record; a closed record is not stale.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    unit: str
    price_series: str
    calendar: str
    sessions_per_year: int = Field(gt=0)
    horizons: dict[str, PositiveInt]
    liquid: bool
    stale_after_days: int = Field(gt=0)
    related: str | None = None
    groups: dict[str, dict[str, str]] = Field(default_factory=dict)
    record_ends: date | None = None

    @field_validator("horizons")
    @classmethod
    def _check_rising(cls, horizons: dict[str, int]) -> dict[str, int]:
        steps = list(horizons.values())
        if not steps or any(earlier >= other for earlier, other in pairwise(steps)):
            raise ValueError(f"give at least one, each further ahead than the one before: {steps}")
        return horizons

    @property
    def steps(self) -> tuple[int, ...]:
        """Sessions ahead, in the order of the horizon labels."""
        return tuple(self.horizons.values())


class FeedEntry(BaseModel):
    """One service that is asked for records.

    Attributes:
        name: short name, used in tables, asset keys and job names.
        module: module whose ``source(base)`` describes the service.
        brings: what it brings, for people.
        cron: when its job runs.
        zone: time zone of ``cron``.
        hours: the same in words.
        profiles: which profiles ask it; of these ``public`` asks no service that needs a key.
        keep: why series that nothing reads are asked for all the same: a reason for each id of a
            series or report, or one for everything that the service can be asked for.
        origin: the file and the entry in it that name the module.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    module: str
    brings: str
    cron: tuple[str, ...] = Field(min_length=1)
    zone: str
    hours: str
    profiles: tuple[Literal["public", "live"], ...] = Field(("public", "live"), min_length=1)
    keep: Reason | dict[str, Reason] = Field(default_factory=dict)
    origin: str

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        for line in lines:
            require_cron(line)
        return lines

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(
                f"no time zone {zone!r}{suggest_names(zone, available_timezones())}"
            ) from error
        return zone

    def explain_kept(self, series: Iterable[str]) -> dict[str, str]:
        """Reason to ask for each id that is asked for though nothing reads it.

        Args:
            series: everything that the service can be asked for.
        """
        return dict.fromkeys(series, self.keep) if isinstance(self.keep, str) else self.keep


class Catalogue(BaseModel):
    """Everything that is followed.

    Attributes:
        commodities: what is forecast.
        evaluation: how.
        groups: feature groups that every commodity reads, in order, and the series of each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    commodities: tuple[Commodity, ...]
    evaluation: EvaluationPlan
    groups: dict[str, dict[str, str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_commodities(self) -> Catalogue:
        ids = [commodity.id for commodity in self.commodities]
        if not ids or len(set(ids)) != len(ids):
            raise ValueError(f"commodity ids must be given and unique, got {ids}")
        for commodity, _, words in contradictions(self.commodities):
            raise ValueError(f"{commodity}: {words}")
        return self

    @property
    def horizons(self) -> tuple[str, ...]:
        """Horizon labels, shortest first."""
        return tuple(self.commodities[0].horizons)

    @property
    def group_names(self) -> tuple[str, ...]:
        """Feature groups that are read: those of every commodity, then those of some."""
        further = (name for commodity in self.commodities for name in commodity.groups)
        return tuple(dict.fromkeys([*self.groups, *further]))

    def select_groups(self, names: Collection[str]) -> Catalogue:
        """The same with those feature groups alone."""
        commodities = tuple(
            commodity.model_copy(update={"groups": _pick_groups(commodity.groups, names)})
            for commodity in self.commodities
        )
        groups = _pick_groups(self.groups, names)
        return self.model_copy(update={"commodities": commodities, "groups": groups})

    def series_of(self, commodity: Commodity, group: str) -> dict[str, str]:
        """What a feature group reads of a commodity, and from which series."""
        return self.groups.get(group, {}) | commodity.groups.get(group, {})

    @property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """Every series or report that is read, and by what: a price, inputs of feature groups."""
        by_series: dict[str, dict[str, list[str]]] = {}
        for commodity in self.commodities:
            by_series.setdefault(commodity.price_series, {}).setdefault("price", []).append(
                commodity.id
            )
            for group in self.group_names:
                for name, series in self.series_of(commodity, group).items():
                    readers = by_series.setdefault(series, {})
                    readers.setdefault(f"{group}.{name}", []).append(commodity.id)
        return {
            series: tuple(self._read_by(what, ids) for what, ids in readers.items())
            for series, readers in by_series.items()
        }

    def _read_by(self, what: str, ids: list[str]) -> str:
        return what if len(ids) == len(self.commodities) > 1 else f"{what} of {', '.join(ids)}"

    def find_related(self, commodity: Commodity) -> Commodity | None:
        """The commodity that one is set against; None where there is none."""
        return next((other for other in self.commodities if other.id == commodity.related), None)

    @property
    def identity(self) -> str:
        """Hash of the whole catalogue: part of every configuration it takes part in."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def commodity(self, name: str) -> Commodity:
        """The commodity of that id.

        Raises:
            CatalogueError: no such commodity; the message lists those there are.
        """
        for commodity in self.commodities:
            if commodity.id == name:
                return commodity
        names = ", ".join(commodity.id for commodity in self.commodities)
        raise CatalogueError(f"no commodity {name!r} in the catalogue; there are: {names}")


def contradictions(commodities: Sequence[Commodity]) -> Iterator[tuple[str, str, str]]:
    """What cannot be said of several commodities together: the one, its field, the words."""
    ids = [commodity.id for commodity in commodities]
    series = [commodity.price_series for commodity in commodities]
    for commodity in commodities:
        if series.count(commodity.price_series) > 1:
            words = f"price_series {commodity.price_series} prices more than one commodity"
            yield commodity.id, "price_series", f"{words}; give each its own"
        if tuple(commodity.horizons) != tuple(commodities[0].horizons):
            words = f"it has the horizons {_join_labels(commodity.horizons)}, {ids[0]} has"
            words += f" {_join_labels(commodities[0].horizons)}"
            yield (
                commodity.id,
                "horizons",
                f"{words}; every commodity needs the same labels in one order",
            )
        if commodity.related is not None and commodity.related not in ids:
            words = f"related {commodity.related} is no commodity here"
            yield commodity.id, "related", words + suggest_names(commodity.related, ids)
        if commodity.related == commodity.id:
            yield commodity.id, "related", "related names itself"


def _pick_groups(
    groups: Mapping[str, dict[str, str]], names: Collection[str]
) -> dict[str, dict[str, str]]:
    return {name: series for name, series in groups.items() if name in names}


def _join_labels(labels: Iterable[str]) -> str:
    return ", ".join(labels) or "none"
