"""The catalogue: commodities, the series they are priced by, their horizons and calendars."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

PACKAGED = Path(__file__).with_name("catalogue.toml")

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

    model_config = ConfigDict(frozen=True, extra="forbid")

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


class EvaluationPlan(BaseModel):
    """How much history the walk-forward covers.

    Attributes:
        years: length of the evaluated stretch, counted back from each record's end.
        origins: forecasts per commodity, one a week at most.
        refits: how often models are trained again.
        garch: whether GARCH(1,1)-t and GJR-t are forecast beside the naive forecasts.
        lightgbm: whether boosted quantiles are forecast too; needs the extra ``boost``.
        rolling_years: train the challenger on that many newest years as well, beside all that is
            known, to show whether older data help; None leaves that out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    years: int = Field(gt=0)
    origins: int = Field(gt=0)
    refits: str = Field(pattern="^(quarterly|yearly)$")
    garch: bool = True
    lightgbm: bool = False
    rolling_years: int | None = Field(default=None, gt=0)


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
        for commodity in self.commodities:
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
    """Read a catalogue file for a profile.

    Raises:
        CatalogueError: the file is missing or no TOML, an entry is wrong, or they contradict each
            other.
    """
    source = path or PACKAGED
    document = _document(source)
    # The tiny profile reads the same closed records as the archive profile.
    name = "archive" if profile == "tiny" else profile
    section = _table(_table(document, "profile", source), name, source)
    ends = _table(section, "record_ends", source)
    given, where = document, "commodity"
    if where in section:
        given, where = section, f"profile.{name}.commodity"
    commodities = tuple(
        _made(
            Commodity,
            {"record_ends": ends.get(str(entry.get("id"))), **entry},
            f"{source}, [[{where}]] {entry.get('id', f'number {number}')}",
        )
        for number, entry in enumerate(_tables(given.get("commodity", []), where, source), start=1)
    )
    plan = _made(EvaluationPlan, document.get("evaluation", {}), f"{source}, [evaluation]")
    return _made(Catalogue, {"commodities": commodities, "evaluation": plan}, str(source))


def load_feeds(path: Path | None = None) -> tuple[FeedEntry, ...]:
    """Services of the packaged catalogue, and those a file of the user's adds or changes.

    Raises:
        CatalogueError: the file is missing or no TOML, or an entry is wrong.
    """
    source = path or PACKAGED
    found = _table(_document(PACKAGED), "feed", PACKAGED)
    if path is not None:
        found = found | _table(_document(path), "feed", path)
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
        return tomllib.loads(source.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{source} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{source} is not valid TOML: {error}") from error


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
        faults = (_fault(one["type"], one["loc"], one["msg"]) for one in error.errors())
        raise CatalogueError(f"{where}: {'; '.join(faults)}") from error


def _fault(kind: str, place: tuple[int | str, ...], message: str) -> str:
    field, words = ".".join(map(str, place)), message.removeprefix("Value error, ")
    if kind == "missing":
        return f"{field} is missing"
    if kind == "extra_forbidden":
        return f"{field} is no field of it"
    return f"{field}: {words}" if field else words


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(labels) or "none"
