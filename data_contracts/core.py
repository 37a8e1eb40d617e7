"""What a contract is, and what is derived from it.

A contract ties one table to one model. The model is the only place where a column's name, type,
unit, bounds and null meaning stand; the Pandera schema, DuckDB tables, Dagster column metadata, the
quarantine rules and the documentation are derived from it here and in the modules beside it.

Reading a table needs its names and types alone. Pandera takes a second to load, so the schema is
compiled where rows are judged or checks are described.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import polars as pl

if TYPE_CHECKING:
    import pandera.polars as pa
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


_POLARS_TYPES: dict[Any, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
}


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """What a table model says of a column beside its type.

    Attributes:
        description: what it means.
        unit: of its values; None without one.
        nullable: whether a row may lack it.
        checks: bounds of every value, as ``pandera.Field`` takes them.
    """

    description: str
    unit: str | None
    nullable: bool
    checks: dict[str, Any]


def column(
    description: str,
    *,
    unit: str | None = None,
    nullable: bool = False,
    **checks: Any,  # noqa: ANN401  (handed on to pandera.Field, which types them)
) -> Any:  # noqa: ANN401  (stands as the default of an attribute of any type)
    """Declare a column: what it means, its unit, and the bounds every row must keep."""
    return DeclaredColumn(description, unit, nullable, checks)


class Table:
    """Base of every table model: the columns named and no others, types as stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One table, its model, its key and its version.

    Attributes:
        table: schema-qualified DuckDB name, e.g. ``raw.observation``.
        model: declares every column.
        key: columns that identify a row.
        version: changes whenever the model changes; recorded with quarantined rows and models.
        append_only: rows are only ever added; the warehouse offers no update or delete.
        indexed: DuckDB keeps the key's index, whole and in memory. False where rows are many and
            their one writer keeps keys unique by itself; no row is overwritten there.
    """

    table: str
    model: type[Table]
    key: tuple[str, ...]
    version: str = "1.0.0"
    append_only: bool = True
    indexed: bool = True
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_overwritten(self) -> bool:
        """Whether a row takes the place of one that has its key."""
        return self.indexed and not self.append_only

    @property
    def schema(self) -> pa.DataFrameSchema:
        """The compiled Pandera schema."""
        if "schema" not in self._cache:
            from data_contracts.pandera_schema import compile_schema

            self._cache["schema"] = compile_schema(self.model, self._annotations, self.declared)
        schema: pa.DataFrameSchema = self._cache["schema"]
        return schema

    @property
    def columns(self) -> dict[str, Column]:
        """Columns of the Pandera schema, in declared order."""
        return dict(self.schema.columns)

    @property
    def declared(self) -> dict[str, DeclaredColumn]:
        """Columns as the model declares them, in order."""
        return {name: getattr(self.model, name) for name in self._annotations}

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        """Polars type of each column, in declared order."""
        if "dtypes" not in self._cache:
            types = self._annotations.items()
            self._cache["dtypes"] = {name: _polars_type(kind) for name, kind in types}
        return dict(self._cache["dtypes"])

    @property
    def _annotations(self) -> dict[str, Any]:
        return get_type_hints(self.model, include_extras=True)

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
        return self.schema.validate(frame, lazy=True)

    def ddl(self) -> str:
        """The DuckDB statement that creates the table."""
        lines = [
            f'  "{name}" {duckdb_type(dtype)}{self._constraint(name)}'
            for name, dtype in self.dtypes.items()
        ]
        if self.indexed:
            lines.append(f"  PRIMARY KEY ({', '.join(_quote_names(self.key))})")
        return f"CREATE TABLE IF NOT EXISTS {self.table} (\n" + ",\n".join(lines) + "\n)"

    def _constraint(self, name: str) -> str:
        return "" if self.declared[name].nullable else " NOT NULL"


def _polars_type(annotation: Any) -> pl.DataType:  # noqa: ANN401  (a type or an annotated one)
    if get_origin(annotation) is Annotated:
        kind, *given = get_args(annotation)
        made: pl.DataType = kind(*given)
    else:
        made = _POLARS_TYPES[annotation] if annotation in _POLARS_TYPES else annotation()
    return made


def duckdb_type(dtype: pl.DataType) -> str:
    """DuckDB type that stores a Polars type without loss.

    Raises:
        TypeError: the type has no agreed DuckDB form; add it here before using it in a contract.
    """
    if dtype not in _DUCKDB_TYPES:
        raise TypeError(f"no DuckDB type agreed for {dtype}")
    return _DUCKDB_TYPES[dtype]


def _quote_names(names: tuple[str, ...]) -> list[str]:
    return [f'"{name}"' for name in names]
