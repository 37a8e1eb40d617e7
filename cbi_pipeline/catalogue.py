"""The catalogue: commodities, the series they are priced by, their horizons and calendars."""

from __future__ import annotations

import hashlib
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

PACKAGED = Path(__file__).with_name("catalogue.toml")


class CatalogueError(ValueError):
    """The catalogue contradicts itself; the message says where and what to change."""


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
    horizons: dict[str, int]
    liquid: bool
    stale_after_days: int = Field(gt=0)
    record_ends: date | None = None

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
            raise CatalogueError(f"commodity ids must be given and unique, got {ids}")
        if len({tuple(commodity.horizons) for commodity in self.commodities}) != 1:
            raise CatalogueError("every commodity needs the same horizon labels in the same order")
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
        CatalogueError: the file is missing, is no TOML, or contradicts itself.
    """
    document = _document(path or PACKAGED)
    section = _section(document, profile)
    ends = section.get("record_ends", {})
    return Catalogue(
        commodities=tuple(
            Commodity(**entry, record_ends=ends.get(entry.get("id")))
            for entry in section.get("commodity", document.get("commodity", []))
        ),
        evaluation=EvaluationPlan(**document.get("evaluation", {})),
    )


def load_feeds(path: Path | None = None) -> tuple[FeedEntry, ...]:
    """Services of the packaged catalogue, and those a file of the user's adds or changes.

    Raises:
        CatalogueError: the file is missing or no TOML, or an entry lacks something.
    """
    found: dict[str, Any] = dict(_document(PACKAGED)["feed"])
    if path is not None:
        found |= _document(path).get("feed", {})
    try:
        return tuple(FeedEntry(name=name, **entry) for name, entry in found.items())
    except ValidationError as error:
        raise CatalogueError(f"an entry [feed.…] of the catalogue is wrong: {error}") from error


def _document(source: Path) -> dict[str, Any]:
    if not source.is_file():
        raise CatalogueError(
            f"no catalogue at {source}; give another file or remove CBI_CATALOGUE_FILE"
        )
    try:
        return tomllib.loads(source.read_text())
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{source} is not valid TOML: {error}") from error


def _section(document: dict[str, Any], profile: str) -> dict[str, Any]:
    # The tiny profile reads the same closed records as the archive profile.
    name = "archive" if profile == "tiny" else profile
    section: dict[str, Any] = document.get("profile", {}).get(name, {})
    return section
