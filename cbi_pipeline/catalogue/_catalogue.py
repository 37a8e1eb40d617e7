"""The catalogue: commodities, the series they are priced by, their horizons and calendars.

Its shape is checked here: every table, field and type, of every profile. Whether the names in it
mean something on this machine is for ``operations.check_catalogue`` to say.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from cbi_pipeline.catalogue._cron import require_cron

PACKAGED = Path(__file__).parent.with_name("catalogue.toml")
#: Profiles that may have commodities of their own; tiny reads the archive's.
PROFILES = ("archive", "live")
_TABLES = ("commodity", "feed", "evaluation", "profile")
_SECTION = ("commodity", "record_ends")

Model = TypeVar("Model", bound=BaseModel)


class CatalogueError(ValueError):
    """The catalogue cannot be used; the message says which entry and field of it is wrong."""


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


MOST_YEARS = 1000
"""Longer than any record, and short enough to be counted back from a date."""


class EvaluationPlan(BaseModel):
    """How much history the walk-forward covers.

    Attributes:
        years: length of the evaluated stretch, counted back from each record's end; more than a
            record holds is all of it.
        origins: forecasts per commodity, one a week at most.
        refits: how often models are trained again.
        garch: whether GARCH(1,1)-t and GJR-t are forecast beside the naive forecasts.
        lightgbm: whether boosted quantiles are forecast too; needs the extra ``boost``.
        rolling_years: train the challenger on that many newest years as well, beside all that is
            known, to show whether older data help; None leaves that out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    years: int = Field(gt=0, le=MOST_YEARS)
    origins: int = Field(gt=0)
    refits: str = Field(pattern="^(quarterly|yearly)$")
    garch: bool = True
    lightgbm: bool = False
    rolling_years: int | None = Field(default=None, gt=0, le=MOST_YEARS)


class FeedEntry(BaseModel):
    """One service that is asked for records.

    Attributes:
        name: short name, used in tables, asset keys and job names.
        module: module whose ``feed(base)`` describes the service.
        brings: what it brings, for people.
        cron: when its job runs.
        zone: time zone of ``cron``.
        hours: the same in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    module: str
    brings: str
    cron: tuple[str, ...] = Field(min_length=1)
    zone: str
    hours: str

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


class Catalogue(BaseModel):
    """Everything that is followed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    commodities: tuple[Commodity, ...]
    evaluation: EvaluationPlan

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
        return self

    @property
    def horizons(self) -> tuple[str, ...]:
        """Horizon labels, shortest first."""
        return tuple(self.commodities[0].horizons)

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
    document = _document(source)
    commodities = {name: _commodities(document, name, source) for name in PROFILES}
    plan = _made(EvaluationPlan, document.get("evaluation", {}), f"{source}, [evaluation]")
    chosen = _section_of(profile)
    catalogues = {
        name: _made(Catalogue, {"commodities": entries, "evaluation": plan}, str(source))
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
    return f"{source}, [[{_entries(_document(source), _section_of(profile), source)[1]}]]"


def nearest(name: str, names: Iterable[str]) -> str:
    """The names most like a wrong one, as the end of a sentence; empty where none is."""
    close = get_close_matches(name, sorted(names), n=3)
    return f"; nearest: {', '.join(close)}" if close else ""


def _commodities(document: Mapping[str, Any], name: str, source: Path) -> tuple[Commodity, ...]:
    ends = _record_ends(document, name, source)
    entries, where = _entries(document, name, source)
    return tuple(
        _made(
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
    section = _table(_table(document, "profile", source), name, source)
    return _table(section, "record_ends", source)


def _entries(
    document: Mapping[str, Any], name: str, source: Path
) -> tuple[list[dict[str, Any]], str]:
    section = _table(_table(document, "profile", source), name, source)
    where = f"profile.{name}.commodity" if "commodity" in section else "commodity"
    given = section if "commodity" in section else document
    return _tables(given.get("commodity", []), where, source), where


def _section_of(profile: str) -> str:
    # The tiny profile reads the same closed records as the archive profile.
    return "archive" if profile == "tiny" else profile


def load_feeds(path: Path | None = None) -> tuple[FeedEntry, ...]:
    """Services of the packaged catalogue, and those a file of the user's adds or changes.

    Raises:
        CatalogueError: the file is missing or no TOML, or an entry is wrong.
    """
    source = path or PACKAGED
    found = _table(_document(PACKAGED), "feed", PACKAGED)
    if path is not None:
        document = _document(path)
        _require_tables(document, path)
        found = found | _table(document, "feed", path)
    return tuple(
        _made(FeedEntry, {**_table(found, name, source), "name": name}, f"{source}, [feed.{name}]")
        for name in found
    )


def _document(source: Path) -> dict[str, Any]:
    if not source.is_file():
        raise CatalogueError(
            f"no catalogue at {source}; give another file or remove CBI_CATALOGUE_FILE"
        )
    try:
        document = tomllib.loads(source.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{source} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{source} is not valid TOML: {error}") from error
    return document


def _require_tables(document: Mapping[str, Any], source: Path) -> None:
    profiles = _table(document, "profile", source)
    for name in profiles:
        _require_names(_table(profiles, name, source), _SECTION, f"{source}, [profile.{name}]")
    _require_names(profiles, PROFILES, f"{source}, [profile]")
    _require_names(document, _TABLES, str(source))


def _require_names(table: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in names:
            raise CatalogueError(
                f"{where}: {name} is no table of it; there are: {', '.join(names)}"
                f"{nearest(name, names)}"
            )


def _table(within: Mapping[str, Any], name: str, source: Path) -> dict[str, Any]:
    found = within.get(name, {})
    if not isinstance(found, dict):
        raise CatalogueError(f"{source}: {name} must be a table, found {found!r}")
    return found


def _tables(listed: object, name: str, source: Path) -> list[dict[str, Any]]:
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise CatalogueError(f"{source}: write each entry under a line [[{name}]]")
    return listed


def _made(kind: type[Model], given: object, where: str) -> Model:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        faults = (_fault(kind, one["type"], one["loc"], one["msg"]) for one in error.errors())
        raise CatalogueError(f"{where}: {'; '.join(faults)}") from error


def _fault(model: type[BaseModel], kind: str, path: tuple[int | str, ...], message: str) -> str:
    field, words = ".".join(map(str, path)), message.removeprefix("Value error, ")
    if kind == "missing":
        return f"{field} is missing"
    if kind == "extra_forbidden":
        return f"{field} is no field of it{nearest(field, model.model_fields)}"
    return f"{field}: {words}" if field else words


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(labels) or "none"
