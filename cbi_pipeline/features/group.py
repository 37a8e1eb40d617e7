"""What a feature group is: columns, one line each, and what they read of a commodity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.features.as_of_series import Floats, Ints, Transform
from cbi_pipeline.features.expressions import (
    Expression,
    Reach,
    Rhythm,
    column_of,
    evaluate,
    leaf_names,
)
from cbi_pipeline.features.grids import GRIDS, place_on_grid


@dataclass(frozen=True, slots=True)
class OwnSession:
    """The commodity's own sessions up to the row's.

    Its columns: ``price`` and ``session`` (days since 1970-01-01).
    """

    entry = "session"
    words = "the commodity's own price"

    def name_in(self, commodity: Commodity, catalogue: Catalogue, group: str) -> str:
        """The series it is of a commodity."""
        return commodity.price_series


@dataclass(frozen=True, slots=True)
class RelatedSession:
    """The sessions of the market that the catalogue calls related, by its own releases: ``price``.

    Absent where the catalogue names none, and where its newest price is older than that market's
    own limit.
    """

    entry = "session of the related market"
    words = "the price of the related market"

    def name_in(self, commodity: Commodity, catalogue: Catalogue, group: str) -> str:
        """The series it is of a commodity."""
        other = catalogue.find_related(commodity)
        return "none" if other is None else other.price_series


@dataclass(frozen=True, slots=True)
class RelatedGap:
    """One entry per row: log price less log price of the related market, as known then: ``gap``."""

    entry = "row"
    words = "log price - log price of the related market, each as known at its row's decision"

    def name_in(self, commodity: Commodity, catalogue: Catalogue, group: str) -> str:
        """The series it is of a commodity, one over the other."""
        other = catalogue.find_related(commodity)
        if other is None:
            return "none"
        return f"{commodity.price_series} over {other.price_series}"


@dataclass(frozen=True, slots=True)
class Assigned:
    """What the catalogue assigns to the group, one entry a week or month.

    Attributes:
        name: what the catalogue assigns a series or a report to.
        words: what it measures.
        grid: week or month.
        family: contract family that says how old the newest value may be.
    """

    name: str
    words: str
    grid: str
    family: str

    def __post_init__(self) -> None:
        if self.grid not in GRIDS:
            raise ValueError(f"{self.name}: grid {self.grid!r} is none of {', '.join(GRIDS)}")

    @property
    def entry(self) -> str:
        """What is counted."""
        return self.grid

    def name_in(self, commodity: Commodity, catalogue: Catalogue, group: str) -> str:
        """The series or report that the catalogue assigns to it."""
        return catalogue.series_of(commodity, group).get(self.name, "none")


class Series(Assigned):
    """A series: ``value``."""

    __slots__ = ()

    @property
    def value(self) -> Expression:
        """The leaf of its formulas."""
        return column_of(self, "value")


class Report(Assigned):
    """A report, whose columns are series that stand side by side in formulas.

    A column ``c`` of the report ``CFTC.disaggregated.067651`` is the series
    ``CFTC.disaggregated.067651.c``. An entry changes with each of its columns.
    """

    __slots__ = ()

    def column(self, name: str) -> Expression:
        """One of its columns as a leaf of formulas."""
        return column_of(self, name)


Source: TypeAlias = OwnSession | RelatedSession | RelatedGap | Series | Report


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a group.

    Attributes:
        name: unique among all columns, the same for every commodity.
        unit: unit of the value.
        expression: how it is computed, from the columns of one source.
        meaning: what it says, in words.
    """

    name: str
    unit: str
    expression: Expression
    meaning: str

    @property
    def source(self) -> Source:
        """What it reads.

        Raises:
            ValueError: none, or more than one: their entries do not stand side by side.
        """
        sources = {leaf.source for leaf in self.expression.inputs()}
        if len(sources) != 1:
            raise ValueError(f"{self.name} reads {len(sources)} sources; a column reads one")
        (source,) = sources
        assert isinstance(source, Source)
        return source

    def reach(self, rhythm: Rhythm) -> Reach:
        """How far back it looks on a market of that rhythm, in entries of its source."""
        return self.expression.reach(rhythm)


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that are built, stored and renewed together.

    Attributes:
        name: name of its module and of its table.
        words: what it holds.
        columns: in order.
        age: name under which a panel says how old its newest value is; the group's own by default.
    """

    name: str
    words: str
    columns: tuple[Column, ...]
    age: str = ""

    @property
    def age_name(self) -> str:
        """Name of its age in a panel."""
        return self.age or self.name

    @property
    def age_column(self) -> str:
        """Name of its age among the columns of all groups."""
        return f"age_{self.age_name}"

    @property
    def sources(self) -> tuple[Source, ...]:
        """What it reads, in order of its columns."""
        return tuple(dict.fromkeys(column.source for column in self.columns))

    @property
    def assigned(self) -> tuple[Series | Report, ...]:
        """What the catalogue assigns to it."""
        return tuple(source for source in self.sources if isinstance(source, Series | Report))

    def series_behind(self, source: Series | Report, name: str) -> tuple[str, ...]:
        """Ids of the series that it reads of a source to which the catalogue assigns ``name``."""
        if isinstance(source, Series):
            return (name,)
        expressions = [column.expression for column in self.columns_of(source)]
        return tuple(f"{name}.{column}" for column in leaf_names(expressions))

    def columns_of(self, source: Source) -> tuple[Column, ...]:
        """Its columns that read one source."""
        return tuple(column for column in self.columns if column.source == source)


def transform_of(source: Source, expressions: Sequence[Expression], rhythm: Rhythm) -> Transform:
    """Periods and values of a source to one column per expression.

    The values of a report are [n, k], in the order in which the expressions name its columns.
    """

    def transform(period: Ints, value: Floats) -> Floats:
        cells: Ints | slice = slice(None)
        inputs = {"session": period, "price": value, "gap": value}
        if isinstance(source, Assigned):
            value, cells = place_on_grid(source.grid, period, value)
            inputs = dict(zip(leaf_names(expressions), np.atleast_2d(value.T), strict=True))
        columns = np.array(evaluate(list(expressions), inputs, rhythm), dtype=np.float64)
        built: Floats = columns.reshape(len(expressions), len(value)).T[cells]
        return built

    return transform
