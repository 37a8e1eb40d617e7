"""What a contract is, and what is derived from it.

A contract ties one table to one Pandera model. The model is the only place where a column's
name, type, unit, bounds and null meaning stand; DuckDB tables, Dagster column metadata, the
quarantine rules and the documentation are derived from it here and in the modules beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import pandera.polars as pa
import polars as pl
from pandera.api.polars.components import Column

UTC_MICROSECONDS = pl.Datetime("us", "UTC")

#: Column types that need parameters, for use as annotations in a table model.
Instant = Annotated[pl.Datetime, "us", "UTC"]
Strings = Annotated[pl.List, pl.String()]

_DUCKDB_TYPES: dict[Any, str] = {
    pl.String(): "VARCHAR",
    pl.Int64(): "BIGINT",
    pl.Int32(): "INTEGER",
    pl.Float64(): "DOUBLE",
    pl.Float32(): "FLOAT",
    pl.Boolean(): "BOOLEAN",
    pl.Date(): "DATE",
    UTC_MICROSECONDS: "TIMESTAMPTZ",
    pl.List(pl.String): "VARCHAR[]",
}


def column(
    description: str,
    *,
    unit: str | None = None,
    nullable: bool = False,
    **checks: Any,  # noqa: ANN401  (handed on to pandera.Field, which types them)
) -> Any:  # noqa: ANN401  (pandera reads the field from the class attribute)
    """Declare a column: what it means, its unit, and the bounds every row must keep."""
    metadata = {"unit": unit} if unit else {}
    return pa.Field(description=description, nullable=nullable, metadata=metadata, **checks)


class Table(pa.DataFrameModel):
    """Base of every table model: the columns named and no others, types as stated."""

    class Config:
        """Pandera settings shared by all tables."""

        strict = True
        coerce = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One table, its model, its key and its version.

    Attributes:
        table: schema-qualified DuckDB name, e.g. ``raw.observation``.
        model: Pandera model with every column.
        key: columns that identify a row.
        version: changes whenever the model changes; recorded with quarantined rows and models.
        append_only: rows are only ever added; the warehouse offers no update or delete.
        indexed: DuckDB keeps the key's index, whole and in memory. False where rows are many and
            their one writer keeps keys unique by itself.
    """

    table: str
    model: type[Table]
    key: tuple[str, ...]
    version: str = "1.0.0"
    append_only: bool = True
    indexed: bool = True
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def schema(self) -> pa.DataFrameSchema:
        """The compiled Pandera schema."""
        if "schema" not in self._cache:
            self._cache["schema"] = self.model.to_schema()
        schema: pa.DataFrameSchema = self._cache["schema"]
        return schema

    @property
    def columns(self) -> dict[str, Column]:
        """Columns in declared order."""
        return dict(self.schema.columns)

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        """Polars type of each column, in declared order."""
        return {name: column.dtype.type for name, column in self.columns.items()}

    @property
    def description(self) -> str:
        """First paragraph of the model's docstring."""
        return (self.model.__doc__ or "").split("\n\n")[0].replace("\n    ", " ").strip()

    def empty(self) -> pl.DataFrame:
        """A frame with the contract's columns and no row."""
        return pl.DataFrame(schema=self.dtypes)

    def validate(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return ``frame`` when every row keeps the contract.

        Raises:
            pandera.errors.SchemaErrors: names every column and rule that failed.
        """
        # Pandera checks a LazyFrame for its schema alone, so only collected frames come here.
        return self.model.validate(frame, lazy=True)

    def ddl(self) -> str:
        """The DuckDB statement that creates the table."""
        lines = [
            f'  "{name}" {duckdb_type(dtype)}{self._constraint(name)}'
            for name, dtype in self.dtypes.items()
        ]
        if self.indexed:
            lines.append(f"  PRIMARY KEY ({', '.join(_quoted(self.key))})")
        return f"CREATE TABLE IF NOT EXISTS {self.table} (\n" + ",\n".join(lines) + "\n)"

    def _constraint(self, name: str) -> str:
        return "" if self.columns[name].nullable else " NOT NULL"


def duckdb_type(dtype: pl.DataType) -> str:
    """DuckDB type that stores a Polars type without loss.

    Raises:
        TypeError: the type has no agreed DuckDB form; add it here before using it in a contract.
    """
    if dtype not in _DUCKDB_TYPES:
        raise TypeError(f"no DuckDB type agreed for {dtype}")
    return _DUCKDB_TYPES[dtype]


def _quoted(names: tuple[str, ...]) -> list[str]:
    return [f'"{name}"' for name in names]
