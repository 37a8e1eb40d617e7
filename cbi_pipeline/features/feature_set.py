"""What a feature set is: named columns with their formulas, and the series they are made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cbi_pipeline.catalogue import Commodity
from cbi_pipeline.features.known import Floats, Transform

Columns = Mapping[str, Floats]

_DEFINING = ("id", "price_series", "calendar", "sessions_per_year", "stale_after_days")


@dataclass(frozen=True, slots=True)
class Feature:
    """One column.

    Attributes:
        name: column name, the same for every commodity.
        formula: how it is computed, in words.
        unit: unit of the value.
    """

    name: str
    formula: str
    unit: str


@dataclass(frozen=True, slots=True)
class Driver:
    """One series beside the prices, and the features made from it.

    Attributes:
        series_id: the series.
        family: contract family, which says how stale a value may be.
        group: release group its age is counted in.
        features: the columns.
        transform: periods (days since 1970-01-01) and values to those columns.
    """

    series_id: str
    family: str
    group: str
    features: tuple[Feature, ...]
    transform: Transform


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """The columns of ``features.row`` under one name; other code is another set.

    Attributes:
        name: name stored with every row.
        table: every column in order: own price, other price, then the drivers'.
        groups: release groups whose ages are stored, in order.
        drivers: series beside the prices.
    """

    name: str
    table: tuple[Feature, ...]
    groups: tuple[str, ...]
    drivers: tuple[Driver, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(feature.name for feature in self.table)

    @property
    def series(self) -> tuple[str, ...]:
        """Series the set reads beside the prices."""
        return tuple(driver.series_id for driver in self.drivers)

    def on(self, commodities: Sequence[Commodity]) -> FeatureSet:
        """The set on these commodities, under a name of its own.

        The same column means something else when a commodity is priced by another series, keeps
        another calendar, or faces another commodity; horizons, names and units do not matter.
        """
        defined = [[getattr(one, name) for name in _DEFINING] for one in commodities]
        digest = hashlib.sha256(json.dumps(defined).encode()).hexdigest()
        return replace(self, name=f"{self.name}.{digest[:12]}")

    def document(self) -> str:
        """The columns as a Markdown table."""
        lines = [f"| {f.name} | {f.formula} | {f.unit} |" for f in self.table]
        return "\n".join(["| feature | formula | unit |", "|---|---|---|", *lines])
