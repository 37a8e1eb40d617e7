"""What the rows of a commodity mean: formulas and inputs, written down so that two can be compared.

Rows that were built from equal declarations mean the same, whatever else the catalogue holds; so a
commodity that is added, or a group, leaves all others as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.features.group import (
    Assigned,
    Group,
    OwnSession,
    RelatedGap,
    RelatedSession,
    Source,
)
from cbi_pipeline.features.prices import HISTORY
from data_contracts.families import family

ORIGIN = "origin"
"""Stands for the origins where groups are named."""

Declaration = Mapping[str, Any]


def declare_origin(commodity: Commodity) -> Declaration:
    """What decides a commodity's origins."""
    return {
        "columns": {f"history {n}": str(formula) for n, formula in enumerate(HISTORY, start=1)},
        "inputs": {"price_series": commodity.price_series, "calendar": commodity.calendar},
    }


def declare_group(group: Group, commodity: Commodity, catalogue: Catalogue) -> Declaration:
    """What decides the rows of a group of a commodity, its origins included."""
    formulas: dict[str, str] = {}
    for column in group.columns:
        labelled = column.expression.list_labelled().items()
        formulas |= {f"{column.name}, {label}": str(formula) for label, formula in labelled}
        formulas[column.name] = str(column.expression)
    inputs = {"origin": meaning(declare_origin(commodity))}
    for source in group.sources:
        inputs |= dict(_inputs(source, group, commodity, catalogue))
    return {"columns": formulas, "inputs": inputs}


def declarations(catalogue: Catalogue, read: Sequence[Group]) -> dict[str, dict[str, Declaration]]:
    """Every declaration of some groups, by commodity and by group, the origins first."""
    return {
        commodity.id: {
            ORIGIN: declare_origin(commodity),
            **{group.name: declare_group(group, commodity, catalogue) for group in read},
        }
        for commodity in catalogue.commodities
    }


def meanings(catalogue: Catalogue, read: Sequence[Group]) -> dict[str, str]:
    """What the rows of each commodity mean: each group's name and the hash of its declaration."""
    return {
        commodity: " ".join(f"{group}:{meaning(declared)}" for group, declared in groups.items())
        for commodity, groups in declarations(catalogue, read).items()
    }


def meaning(declaration: Declaration) -> str:
    """Short hash of a declaration."""
    text = json.dumps(declaration, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def describe_change(before: Declaration, now: Declaration) -> str:
    """What differs between two declarations, in words."""
    return "; ".join(
        words
        for part, what in (("columns", "formula of "), ("inputs", ""))
        for words in _differences(before[part], now[part], what)
    )


def _differences(before: Mapping[str, str], now: Mapping[str, str], what: str) -> Iterator[str]:
    for name in now:
        if name not in before:
            yield f"{name} is new" if what else f"{name} is {now[name]}, it was none"
        elif before[name] != now[name]:
            yield f"{what}{name} is {now[name]}, it was {before[name]}"
    for name in before:
        if name not in now:
            yield f"{name} is gone"


def _inputs(
    source: Source, group: Group, commodity: Commodity, catalogue: Catalogue
) -> Iterator[tuple[str, str]]:
    if isinstance(source, Assigned):
        series = catalogue.series_of(commodity, group.name).get(source.name, "none")
        days = family(source.family).staleness.days
        yield source.name, f"{series}, one a {source.grid}, absent after {days} days"
    if isinstance(source, OwnSession | RelatedGap):
        yield "sessions_per_year", str(commodity.sessions_per_year)
    if isinstance(source, RelatedSession | RelatedGap):
        other = catalogue.find_related(commodity)
        yield "related", "none" if other is None else _market(other)


def _market(commodity: Commodity) -> str:
    return (
        f"{commodity.id} ({commodity.price_series} on {commodity.calendar}, "
        f"{commodity.sessions_per_year} a year, absent after {commodity.stale_after_days} days)"
    )
