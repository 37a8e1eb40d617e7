"""The documentation pages of the contracts, written from the contracts."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from data_contracts.core import Contract, duckdb_type
from data_contracts.families import FAMILIES
from data_contracts.family import Family
from data_contracts.published import PUBLISHED
from data_contracts.shape import Shape
from data_contracts.tables import CONTRACTS

_HEADER = """\
# Tables and series families

Written from `data_contracts/` by `python -m data_contracts.documentation`; edit the contracts,
not this page.

"""

_PUBLISHED_HEADER = """\
# Published tables

Written from `data_contracts/published.py` by `python -m data_contracts.documentation published`;
edit that file, not this page. `cbi data tables` prints the same.

Open them with `cbi_pipeline.connect()`: a read-only connection to the newest snapshot, which no run
disturbs. Names and columns stay; columns are only ever added, at the end.

"""


def page() -> str:
    """The page of tables and series families as Markdown."""
    parts = [_HEADER, "## Series families\n\n"]
    parts.extend(_family(family) for family in FAMILIES.values())
    parts.append("## Tables\n\n")
    parts.extend(_table(contract) for contract in CONTRACTS.values())
    return "".join(parts).rstrip() + "\n"


def published_page() -> str:
    """The page of the published views as Markdown."""
    views = "".join(_view(name, contract) for name, contract in PUBLISHED.items())
    return (_PUBLISHED_HEADER + views).rstrip() + "\n"


def describe(contract: Contract) -> list[tuple[str, str, str, str, str]]:
    """Name, DuckDB type, unit, whether it may be null, and meaning of each column."""
    return [
        (
            name,
            duckdb_type(column.dtype.type),
            (column.metadata or {}).get("unit", ""),
            "yes" if column.nullable else "",
            column.description or "",
        )
        for name, column in contract.columns.items()
    ]


def _view(name: str, contract: Contract) -> str:
    rows = "".join(f"| {' | '.join(cells)} |\n" for cells in describe(contract))
    key = f"One row per {', '.join(contract.key)}.\n\n" if contract.key else ""
    return (
        f"## {name}\n\n{contract.description}\n\n{key}"
        "| column | type | unit | null | meaning |\n| --- | --- | --- | --- | --- |\n"
        f"{rows}\n"
    )


def _family(family: Family) -> str:
    bounds = "; ".join(
        f"{unit}: {low:g} to {high:g}" for unit, (low, high) in family.bounds.items()
    )
    release = family.release.words if family.release else "every row carries its issue's own date"
    return (
        f"### {family.name}\n\n{family.title}. {family.agency}.\n\n"
        f"- frequency: {family.frequency}\n"
        f"- bounds: {bounds}\n"
        f"- release: {release}{_describe_stamp(family)}\n"
        f"- as a whole: {_shape(family.shape)}\n"
        f"- stale after: {family.staleness.days} days\n"
        f"- revisions: {family.revisions}{_describe_restatement(family)}\n"
        f"- rights: {family.rights}\n"
        f"- version: {family.version}\n\n"
    )


def _describe_stamp(family: Family) -> str:
    if not family.stamped:
        return ""
    return " A newer period's is the hour at which its file was last changed, from the rule on."


def _describe_restatement(family: Family) -> str:
    if family.restated_share is None:
        return ""
    return (
        f"; an answer that changes over {family.restated_share:.0%} is held until it is seen again"
    )


def _shape(shape: Shape) -> str:
    words = []
    if shape.ascending:
        words.append("periods rise")
    if shape.spacing:
        words.append(f"{shape.spacing[0]} to {shape.spacing[1]} days from one to the next")
    if shape.distinct_floor is not None:
        words.append(f"at least {shape.distinct_floor:.0%} of 40 values in a row differ")
    if shape.scale_limit is not None:
        words.append(f"the size of 5 values within a factor {shape.scale_limit:g} of the 20 before")
    return "; ".join(words) or "nothing is claimed"


def _table(contract: Contract) -> str:
    rows = "".join(f"| {' | '.join(cells)} |\n" for cells in _columns(contract))
    kept = "append-only" if contract.append_only else "rows may be replaced"
    return (
        f"### {contract.table}\n\n{contract.description}\n\n"
        f"Key: {', '.join(contract.key)}. Version {contract.version}, {kept}.\n\n"
        "| column | type | unit | null | rules | meaning |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        f"{rows}\n"
    )


def _columns(contract: Contract) -> Iterator[tuple[str, ...]]:
    for name, kind, unit, null, meaning in describe(contract):
        rules = "; ".join(
            f"{check.name} {', '.join(map(str, (check.statistics or {}).values()))}"
            for check in contract.columns[name].checks
        )
        yield name, kind, unit, null, rules, meaning


if __name__ == "__main__":
    print(published_page() if sys.argv[1:] == ["published"] else page(), end="")  # noqa: T201
