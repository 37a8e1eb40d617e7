"""``cbi data features``: the columns of a commodity's row by name, with value, age and source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cbi_pipeline.commands.console import Refusal, console
from cbi_pipeline.commands.instants import read_instant

if TYPE_CHECKING:
    from cbi_pipeline.catalogue import Catalogue, Commodity
    from cbi_pipeline.features import FeatureSet


def features(
    commodity: Annotated[str, typer.Option(help="Commodity id, e.g. wti.")],
    when: Annotated[str, typer.Option("--as-of", help="2016-03-04 or 2016-03-04T10:30.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show the newest row of a commodity decided by then: every column, its age and its source.

    The age is that of the newest value which the column's group read, in days, at the instant the
    row was decided on. A column without a value was absent then: too little history, or too old.
    """
    from cbi_pipeline.catalogue import CatalogueError
    from cbi_pipeline.features import read_generations, read_rows
    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.operations.training_data import feature_set

    pipeline, instant = Pipeline.from_environment(), read_instant(when)
    catalogue, chosen = pipeline.catalogue, feature_set(pipeline.catalogue)
    try:
        followed = catalogue.commodity(commodity)
    except CatalogueError as error:
        raise Refusal(str(error)) from error
    with pipeline.warehouse.read() as store:
        used = read_generations(store, catalogue, chosen, pipeline.now())
        rows = read_rows(store, chosen, used)
    decided = rows.filter(rows["commodity"] == commodity, rows["decision_at"] <= instant)
    if decided.is_empty():
        raise Refusal(f"no row of {commodity} was decided by {instant.astimezone(UTC):%Y-%m-%d}")
    row = decided.sort("session").row(-1, named=True)
    cells = list(_cells(row, chosen, followed, catalogue))
    if as_json:
        print(json.dumps({**_head(row), "columns": cells}, indent=2))  # noqa: T201
        return
    _print(row, cells)


def _cells(
    row: dict[str, Any], chosen: FeatureSet, commodity: Commodity, catalogue: Catalogue
) -> Iterator[dict[str, Any]]:
    for group in chosen.read:
        for column in group.columns:
            yield {
                "column": column.name,
                "value": row[column.name],
                "unit": column.unit,
                "age_days": row[group.age_column],
                "source": column.source.name_in(commodity, catalogue, group.name),
                "meaning": column.meaning,
            }


def _head(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "commodity": row["commodity"],
        "session": row["session"].isoformat(),
        "decision_at": row["decision_at"].isoformat(),
        "price": row["price"],
    }


def _print(row: dict[str, Any], cells: list[dict[str, Any]]) -> None:
    console.print(
        f"{row['commodity']}, session {row['session']}, price {row['price']!r}, as known at "
        f"{row['decision_at']:%Y-%m-%d %H:%M} UTC\n"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("column", "value", "unit", "age, days", "source"):
        table.add_column(heading, no_wrap=heading == "column")
    for cell in cells:
        value, age = cell["value"], cell["age_days"]
        table.add_row(
            cell["column"],
            "absent" if value is None else f"{value:.6g}",
            cell["unit"],
            "" if age is None else f"{age:.1f}",
            cell["source"],
        )
    console.print(table)
