"""Contracts as Open Data Contract Standard documents, for tools outside this project.

The standard (bitol-io, version 3.0.2) describes a data set by its tables and columns; one
document is written per schema of the warehouse, plus what the series families promise.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml

from data_contracts.core import UTC_MICROSECONDS, Contract, duckdb_type
from data_contracts.families import FAMILIES
from data_contracts.tables import CONTRACTS

if TYPE_CHECKING:
    from pandera.api.polars.components import Column

API_VERSION = "v3.0.2"

_LOGICAL_TYPES: dict[Any, str] = {
    pl.String(): "string",
    pl.Int64(): "integer",
    pl.Int32(): "integer",
    pl.Float64(): "number",
    pl.Float32(): "number",
    pl.Boolean(): "boolean",
    pl.Date(): "date",
    UTC_MICROSECONDS: "date",
}

# Check name to (keyword, argument, keyword that marks the bound itself as excluded).
_BOUNDS = {
    "greater_than": ("minimum", "min_value", "exclusiveMinimum"),
    "greater_than_or_equal_to": ("minimum", "min_value", None),
    "less_than": ("maximum", "max_value", "exclusiveMaximum"),
    "less_than_or_equal_to": ("maximum", "max_value", None),
}


def export(folder: Path) -> list[Path]:
    """Write one document per warehouse schema into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for schema in sorted({name.split(".")[0] for name in CONTRACTS}):
        path = folder / f"{schema}.odcs.yaml"
        path.write_text(yaml.safe_dump(document(schema), sort_keys=False, allow_unicode=True))
        written.append(path)
    return written


def document(schema: str) -> dict[str, Any]:
    """The document of one warehouse schema."""
    contracts = [contract for name, contract in CONTRACTS.items() if name.split(".")[0] == schema]
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": f"cbi-pipeline-{schema}",
        "name": f"cbi-pipeline {schema}",
        "version": max(contract.version for contract in contracts),
        "status": "active",
        "description": {"purpose": _purpose(schema)},
        "schema": [_table(contract) for contract in contracts],
    }


def _purpose(schema: str) -> str:
    if schema != "raw":
        return f"Tables of the schema {schema} of the pipeline's warehouse."
    promises = "; ".join(
        f"{family.name}: {family.title} ({family.agency}), "
        f"{family.release.words if family.release else 'every row carries its own issue date'} "
        f"Stale after {family.staleness.days} days. Rights: {family.rights}"
        for family in FAMILIES.values()
    )
    return f"Observed values of official series. {promises}."


def _table(contract: Contract) -> dict[str, Any]:
    return {
        "name": contract.table.split(".")[1],
        "physicalName": contract.table,
        "logicalType": "object",
        "physicalType": "table",
        "description": contract.description,
        "properties": [
            _property(contract, name, column) for name, column in contract.columns.items()
        ],
    }


def _property(contract: Contract, name: str, column: Column) -> dict[str, Any]:
    dtype = column.dtype.type
    described = {
        "name": name,
        "logicalType": _LOGICAL_TYPES.get(dtype, "array"),
        "physicalType": duckdb_type(dtype),
        "description": column.description or "",
        "required": not column.nullable,
        "primaryKey": name in contract.key,
    }
    if name in contract.key:
        described["primaryKeyPosition"] = contract.key.index(name) + 1
    if isinstance(dtype, pl.List):
        described["items"] = {"logicalType": _LOGICAL_TYPES[dtype.inner]}
    options, values = _options(column)
    if options:
        described["logicalTypeOptions"] = options
    if values:
        described["quality"] = [_valid_values(name, values)]
    if unit := (column.metadata or {}).get("unit"):
        described["customProperties"] = [{"property": "unit", "value": unit}]
    return described


def _options(column: Column) -> tuple[dict[str, Any], list[str]]:
    options: dict[str, Any] = {}
    values: list[str] = []
    for check in column.checks:
        given = check.statistics or {}
        if check.name in _BOUNDS:
            keyword, argument, excluded = _BOUNDS[check.name]
            options[keyword] = given[argument]
            if excluded:
                options[excluded] = True
        elif check.name == "isin":
            values = list(given["allowed_values"])
        elif check.name == "str_length":
            options["minLength"] = given["min_value"]
    return options, values


def _valid_values(name: str, values: list[str]) -> dict[str, Any]:
    listed = ", ".join(f"'{value}'" for value in values)
    return {
        "type": "text",
        "description": f"{name} is one of {listed}",
    }
