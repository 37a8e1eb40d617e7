"""The Pandera schema of a table model: what judges rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandera.polars as pa

from data_contracts.core import DeclaredColumn, Table


def compile_schema(
    model: type[Table], types: Mapping[str, Any], declared: Mapping[str, DeclaredColumn]
) -> pa.DataFrameSchema:
    """The schema of a table model.

    Args:
        model: names and describes the schema.
        types: annotation of each column, in order.
        declared: what else is said of each.
    """
    body = {
        "__doc__": model.__doc__,
        "__module__": model.__module__,
        "__annotations__": dict(types),
        # Pandera writes the model's name into it, so each has its own.
        "Config": type("Config", (), {"strict": True, "coerce": False}),
        **{name: _field(column) for name, column in declared.items()},
    }
    compiled: type[pa.DataFrameModel] = type(model.__name__, (pa.DataFrameModel,), body)
    return compiled.to_schema()


def _field(column: DeclaredColumn) -> Any:  # noqa: ANN401  (pandera types it so)
    metadata = {"unit": column.unit} if column.unit else {}
    return pa.Field(
        description=column.description, nullable=column.nullable, metadata=metadata, **column.checks
    )
