"""The catalogue: commodities, the series they are priced by, their horizons and calendars.

Its shape is checked here: every table, field and type, of every profile. Whether the names in it
mean something on this machine is for ``operations.check_catalogue`` to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any
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
from cbi_pipeline.catalogue._document import (
    CatalogueError,
    make,
    nearest,
    read_document,
    require_names,
    table_of,
    tables_of,
)
from cbi_pipeline.catalogue._evaluation import EvaluationPlan

PACKAGED = Path(__file__).parent.with_name("catalogue.toml")
#: Text that says why.
Reason = Annotated[str, Field(min_length=1)]
#: Profiles that may have commodities of their own; tiny reads the archive's.
PROFILES = ("archive", "live")
_TABLES = ("commodity", "group", "feed", "file", "evaluation", "profile")
_SECTION = ("commodity", "record_ends")


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
    def _rising(cls, horizons: dict[str, int]) -> dict[str, int]:
        steps = list(horizons.values())
        if not steps or any(one >= other for one, other in pairwise(steps)):
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
        keep: why series that nothing reads are asked for all the same: a reason for each id of a
            series or report, or one for everything that the service can be asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    module: str
    brings: str
    cron: tuple[str, ...] = Field(min_length=1)
    zone: str
    hours: str
    keep: Reason | dict[str, Reason] = Field(default_factory=dict)

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
                f"no time zone {zone!r}{nearest(zone, available_timezones())}"
            ) from error
        return zone

    def kept(self, series: Iterable[str]) -> dict[str, str]:
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
    def _consistent(self) -> Catalogue:
        ids = [commodity.id for commodity in self.commodities]
        if not ids or len(set(ids)) != len(ids):
            raise ValueError(f"commodity ids must be given and unique, got {ids}")
        series = [commodity.price_series for commodity in self.commodities]
        for commodity in self.commodities:
            if series.count(commodity.price_series) > 1:
                raise ValueError(
                    f"{commodity.id}: price_series {commodity.price_series} prices more than one "
                    "commodity; give each its own"
                )
            if tuple(commodity.horizons) != self.horizons:
                raise ValueError(
                    f"{commodity.id} has the horizons {_listed(commodity.horizons)}, "
                    f"{ids[0]} has {_listed(self.horizons)}; "
                    "every commodity needs the same labels in the same order"
                )
            if commodity.related is not None and commodity.related not in ids:
                raise ValueError(
                    f"{commodity.id}: related {commodity.related} is no commodity here"
                    f"{nearest(commodity.related, ids)}"
                )
            if commodity.related == commodity.id:
                raise ValueError(f"{commodity.id}: related names itself")
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

    def reading(self, names: Collection[str]) -> Catalogue:
        """The same with those feature groups alone."""
        commodities = tuple(
            one.model_copy(update={"groups": _picked(one.groups, names)})
            for one in self.commodities
        )
        groups = _picked(self.groups, names)
        return self.model_copy(update={"commodities": commodities, "groups": groups})

    def series_of(self, commodity: Commodity, group: str) -> dict[str, str]:
        """What a feature group reads of a commodity, and from which series."""
        return self.groups.get(group, {}) | commodity.groups.get(group, {})

    @property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """Every series or report that is read, and by what: a price, inputs of feature groups."""
        found: dict[str, dict[str, list[str]]] = {}
        for one in self.commodities:
            found.setdefault(one.price_series, {}).setdefault("price", []).append(one.id)
            for group in self.group_names:
                for name, series in self.series_of(one, group).items():
                    readers = found.setdefault(series, {})
                    readers.setdefault(f"{group}.{name}", []).append(one.id)
        return {
            series: tuple(self._read_by(what, ids) for what, ids in readers.items())
            for series, readers in found.items()
        }

    def _read_by(self, what: str, ids: list[str]) -> str:
        return what if len(ids) == len(self.commodities) > 1 else f"{what} of {', '.join(ids)}"

    def related(self, commodity: Commodity) -> Commodity | None:
        """The commodity that one is set against; None where there is none."""
        return next((one for one in self.commodities if one.id == commodity.related), None)

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
        known = ", ".join(commodity.id for commodity in self.commodities)
        raise CatalogueError(f"no commodity {name!r} in the catalogue; there are: {known}")


def load_catalogue(path: Path | None = None, *, profile: str = "archive") -> Catalogue:
    """Read a catalogue file for a profile; what it says for the other profiles is read too.

    Raises:
        CatalogueError: the file is missing or no TOML, an entry is wrong, or they contradict each
            other.
    """
    source = path or PACKAGED
    document = read_document(source)
    commodities = {name: _commodities(document, name, source) for name in PROFILES}
    plan = make(EvaluationPlan, document.get("evaluation", {}), f"{source}, [evaluation]")
    chosen = _section_of(profile)
    shared = {"evaluation": plan, "groups": _groups(document, source)}
    catalogues = {
        name: make(Catalogue, {"commodities": entries, **shared}, str(source))
        for name, entries in commodities.items()
        if entries or name == chosen
    }
    for name, catalogue in catalogues.items():
        _require_ends(document, name, catalogue, source)
    _require_tables(document, source)
    return catalogues[chosen]


def commodity_table(path: Path | None = None, *, profile: str = "archive") -> str:
    """The file and the table that a profile's commodities are entries of, for messages."""
    source = path or PACKAGED
    return f"{source}, [[{_entries(read_document(source), _section_of(profile), source)[1]}]]"


def _groups(document: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """Groups of the packaged catalogue, and those a file of the user's adds or changes."""
    packaged = table_of(read_document(PACKAGED), "group", PACKAGED)
    own = table_of(document, "group", source)
    return {
        name: table_of(packaged, name, PACKAGED) | table_of(own, name, source)
        for name in (packaged | own)
    }


def _commodities(document: Mapping[str, Any], name: str, source: Path) -> tuple[Commodity, ...]:
    ends = _record_ends(document, name, source)
    entries, where = _entries(document, name, source)
    return tuple(
        make(
            Commodity,
            {"record_ends": ends.get(str(entry.get("id"))), **entry},
            f"{source}, [[{where}]] {entry.get('id', f'number {number}')}",
        )
        for number, entry in enumerate(entries, start=1)
    )


def _require_ends(
    document: Mapping[str, Any], name: str, catalogue: Catalogue, source: Path
) -> None:
    ids = [one.id for one in catalogue.commodities]
    for ended in _record_ends(document, name, source):
        if ended not in ids:
            raise CatalogueError(
                f"{source}, [profile.{name}.record_ends]: {ended} is no commodity of the profile "
                f"{name}{nearest(ended, ids)}"
            )


def _record_ends(document: Mapping[str, Any], name: str, source: Path) -> dict[str, Any]:
    section = table_of(table_of(document, "profile", source), name, source)
    return table_of(section, "record_ends", source)


def _entries(
    document: Mapping[str, Any], name: str, source: Path
) -> tuple[list[dict[str, Any]], str]:
    section = table_of(table_of(document, "profile", source), name, source)
    where = f"profile.{name}.commodity" if "commodity" in section else "commodity"
    given = section if "commodity" in section else document
    return tables_of(given.get("commodity", []), where, source), where


def _section_of(profile: str) -> str:
    # The tiny profile reads the same closed records as the archive profile.
    return "archive" if profile == "tiny" else profile


def load_feeds(path: Path | None = None) -> tuple[FeedEntry, ...]:
    """Services of the packaged catalogue, and those a file of the user's adds or changes.

    Raises:
        CatalogueError: the file is missing or no TOML, or an entry is wrong.
    """
    source = path or PACKAGED
    packaged = table_of(read_document(PACKAGED), "feed", PACKAGED)
    document = read_document(source)
    _require_tables(document, source)
    own = table_of(document, "feed", source)
    found = {
        name: table_of(packaged, name, PACKAGED) | table_of(own, name, source)
        for name in (packaged | own)
    }
    return tuple(
        make(FeedEntry, {**found[name], "name": name}, f"{source}, [feed.{name}]") for name in found
    )


def _require_tables(document: Mapping[str, Any], source: Path) -> None:
    profiles = table_of(document, "profile", source)
    for name in profiles:
        require_names(table_of(profiles, name, source), _SECTION, f"{source}, [profile.{name}]")
    require_names(profiles, PROFILES, f"{source}, [profile]")
    require_names(document, _TABLES, str(source))


def _picked(
    groups: Mapping[str, dict[str, str]], names: Collection[str]
) -> dict[str, dict[str, str]]:
    return {name: series for name, series in groups.items() if name in names}


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(labels) or "none"
