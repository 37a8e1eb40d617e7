"""The documentation page of the contracts, written from the contracts."""

from __future__ import annotations

from collections.abc import Iterator

from data_contracts.core import Contract, duckdb_type
from data_contracts.families import FAMILIES
from data_contracts.family import Family
from data_contracts.shape import Shape
from data_contracts.tables import CONTRACTS

_HEADER = """\
# Tables and series families

Written from `data_contracts/` by `python -m data_contracts.documentation`; edit the contracts,
not this page.

"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [_HEADER, "## Series families\n\n"]
    parts.extend(_family(family) for family in FAMILIES.values())
    parts.append("## Tables\n\n")
    parts.extend(_table(contract) for contract in CONTRACTS.values())
    return "".join(parts).rstrip() + "\n"


def _family(family: Family) -> str:
    bounds = "; ".join(
        f"{unit}: {low:g} to {high:g}" for unit, (low, high) in family.bounds.items()
    )
    release = family.release.words if family.release else "every row carries its issue's own date"
    return (
        f"### {family.name}\n\n{family.title}. {family.agency}.\n\n"
        f"- frequency: {family.frequency}\n"
        f"- bounds: {bounds}\n"
        f"- release: {release}\n"
        f"- as a whole: {_shape(family.shape)}\n"
        f"- stale after: {family.staleness.days} days\n"
        f"- revisions: {family.revisions}\n"
        f"- rights: {family.rights}\n"
        f"- version: {family.version}\n\n"
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
    for name, column in contract.columns.items():
        unit = (column.metadata or {}).get("unit", "")
        rules = "; ".join(
            f"{check.name} {', '.join(map(str, (check.statistics or {}).values()))}"
            for check in column.checks
        )
        null = "yes" if column.nullable else ""
        meaning = column.description or ""
        yield name, duckdb_type(column.dtype.type), unit, null, rules, meaning


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
