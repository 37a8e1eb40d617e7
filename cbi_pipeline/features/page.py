"""The page of features: every column with its formula, made from the groups' declarations.

`python -m cbi_pipeline.features.page > docs/features.md` writes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from cbi_pipeline.catalogue import Catalogue, load_catalogue
from cbi_pipeline.features.expressions import Expression, Rhythm
from cbi_pipeline.features.group import Assigned, Column, Group, Source
from cbi_pipeline.features.groups import find_groups

_DAILY, _WEEKLY = Rhythm(252, 260), Rhythm(52, 104)
_HEADER = """# Features

Written by `python -m cbi_pipeline.features.page`; edit the groups in `cbi_pipeline/features/groups`
and the catalogue, not this page.

A feature is a number known at the instant at which its row was decided on. Each column reads one
source: the commodity's own price, that of the market which the catalogue calls related, or a series
that the catalogue assigns to its group. Where a value is missing or too old, or its history too
short, the column is absent: nothing is filled. Values are kept within -10 and 10.

**Window** is how many of the newest entries of its source a value depends on; **warm-up** is how
many there must be before there is one. Where they differ, the first number is for 252 sessions a
year and the second for 52. An entry is a session of a price, a week or a month of a series.

`cbi data features --commodity wti --as-of 2020-02-12` shows them as known then. Each group is a
table of the warehouse, `features.NAME`; the view `features.panel` has the rows in use with all
columns by name.

What makes a new generation of a group's rows beside the old, of one commodity or of all: a formula,
a column or an input that changes; code or a library that changes what is built (where its hash
changes, 500 stored rows of a group are built anew from what had arrived when they were stored, and
50 on every other night); history that arrives later than the values of its series stay in use. A
model reads on where the rows mean the same, as they do after late history. `cbi run` says once what
was built anew and why; `features.generation` says which generation is in use, and since when.

A new group is a module in that folder with a `GROUP`, and a line of the catalogue that names it:
`[group.NAME]` for every commodity, or `groups.NAME = { input = "SERIES" }` under one of them.
"""


def page() -> str:
    """The whole page as Markdown."""
    catalogue = load_catalogue()
    return _HEADER + "".join(_section(group, catalogue) for group in find_groups().values())


def _section(group: Group, catalogue: Catalogue) -> str:
    rows = "".join(f"| {' | '.join(_cells(column))} |\n" for column in group.columns)
    formulas = {
        label: e for c in group.columns for label, e in c.expression.list_labelled().items()
    }
    where = "".join(f"- {label} = {_formula(formula)}\n" for label, formula in formulas.items())
    sources = "".join(f"- {line}\n" for line in _sources(group, catalogue))
    return (
        f"\n## {group.name}\n\n{group.words}.\n\n"
        "| column | meaning | formula | unit | window | warm-up | source |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        f"{rows}\n" + (f"where\n\n{where}\n" if where else "") + f"Sources:\n\n{sources}"
    )


def _cells(column: Column) -> Iterator[str]:
    reaches = [column.reach(rhythm) for rhythm in (_DAILY, _WEEKLY)]
    yield f"`{column.name}`"
    yield column.meaning
    yield _formula(column.expression)
    yield column.unit
    yield _both([reach.window for reach in reaches])
    yield _both([reach.warm_up for reach in reaches])
    yield _name(column.source)


def _both(numbers: list[float]) -> str:
    words = ["all" if math.isinf(number) else str(number) for number in numbers]
    return " / ".join(dict.fromkeys(words))


def _formula(expression: Expression) -> str:
    return str(expression).replace("|", "\\|")


def _name(source: Source) -> str:
    return source.name if isinstance(source, Assigned) else source.entry


def _sources(group: Group, catalogue: Catalogue) -> Iterator[str]:
    assigned = catalogue.groups.get(group.name, {})
    for source in group.sources:
        if isinstance(source, Assigned):
            series = assigned.get(source.name, "what a commodity assigns")
            yield f"{source.name}: {source.words}, {series}, one a {source.grid}"
        else:
            yield f"{source.entry}: {source.words}"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
