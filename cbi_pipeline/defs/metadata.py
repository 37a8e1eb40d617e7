"""What a run shows to people: schemas from contracts, tables as text, plots as pictures."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import dagster as dg
import polars as pl

from cbi_pipeline.links import link_run
from cbi_pipeline.printable import make_printable
from data_contracts import contract

#: What a materialisation says, by name: numbers, text, and values of Dagster's own.
Entries: TypeAlias = dict[str, Any]

# An underscore inside a word means nothing, and names are full of them.
_MARKDOWN = re.compile(r"([\\`*\[\]<>|&~])")

_TABLE_STYLE = {
    "tbl_formatting": "ASCII_MARKDOWN",
    "tbl_hide_column_data_types": True,
    "tbl_hide_dataframe_shape": True,
    "tbl_rows": -1,
    "tbl_cols": -1,
    "tbl_width_chars": 10_000,
    "fmt_str_lengths": 200,
    "float_precision": 4,
}


def definition(table: str) -> dict[str, dg.TableSchema | str]:
    """Metadata of an asset that is a table: its name and, from its contract, its columns."""
    return {"dagster/column_schema": column_schema(table), "dagster/table_name": table}


def rows(count: int) -> dict[str, int]:
    """How many rows the table has now, where Dagster looks for it."""
    return {"dagster/row_count": count}


def column_schema(table: str) -> dg.TableSchema:
    """Columns of a table with type, description, unit and constraints, as its contract has them."""
    model = contract(table)
    return dg.TableSchema(
        columns=[_column(table, name) for name in model.dtypes],
        constraints=dg.TableConstraints(other=[f"key: {', '.join(model.key)}"]),
    )


def _column(table: str, name: str) -> dg.TableColumn:
    model = contract(table)
    column = model.columns[name]
    unit = (column.metadata or {}).get("unit")
    return dg.TableColumn(
        name=name,
        type=str(model.dtypes[name]),
        description=f"{column.description} [{unit}]" if unit else column.description,
        constraints=dg.TableColumnConstraints(
            nullable=column.nullable,
            other=[str(check.error or check.name) for check in column.checks],
        ),
    )


def table(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """A small frame as a table; its text is shown and never read as Markdown or HTML."""
    shown = frame.with_columns(pl.col(pl.String).map_elements(quote_text, return_dtype=pl.String))
    with pl.Config(**_TABLE_STYLE):  # type: ignore[arg-type]
        return dg.MetadataValue.md(str(shown))


def quote_text(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    return _MARKDOWN.sub(r"\\\1", make_printable(" ".join(text.split())))


def mlflow_run(run_id: str) -> dg.UrlMetadataValue:
    """The page of an MLflow run."""
    return dg.MetadataValue.url(link_run(run_id))
