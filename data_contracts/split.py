"""Split a frame into rows that keep a contract and rows that do not, with a reason for each.

Rules are polars expressions compiled from the contract's Pandera model, so one pass over the
frame evaluates them all and every broken rule is named. Pandera's own dropping of invalid rows
is not used: at column level it lets bad rows through without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from data_contracts.core import Contract

if TYPE_CHECKING:
    from pandera.api.checks import Check
    from pandera.api.polars.components import Column


class ContractError(ValueError):
    """The frame's columns or types are not those of the contract; no row can be judged."""


@dataclass(frozen=True, slots=True)
class RowRule:
    """One rule a row keeps or breaks.

    Attributes:
        name: short name stored with a quarantined row.
        column: column whose value is reported as offending.
        holds: expression that is true for a row that keeps the rule; null counts as broken.
    """

    name: str
    column: str
    holds: pl.Expr


class Split(NamedTuple):
    """Outcome of :func:`split`.

    Attributes:
        good: rows that keep every rule, unchanged and in order.
        rejected: one line per row and broken rule: ``row`` (position in the frame), ``rule``,
            ``column_name``, ``value`` (offending value as text).
    """

    good: pl.DataFrame
    rejected: pl.DataFrame


REJECTED_SCHEMA = pl.Schema(
    {"row": pl.UInt32, "rule": pl.String, "column_name": pl.String, "value": pl.String}
)


def split(frame: pl.DataFrame, contract: Contract, extra: Sequence[RowRule] = ()) -> Split:
    """Split ``frame`` by the contract's row rules and ``extra`` ones.

    Args:
        frame: collected frame with exactly the contract's columns.
        contract: contract whose column bounds become rules.
        extra: further rules, e.g. those of a series family.

    Raises:
        ContractError: a column is missing, unknown or of another type.
    """
    _check_columns(frame, contract)
    rules = [*row_rules(contract), *extra]
    kept = frame.select(
        rule.holds.fill_null(value=False).alias(f"r{number}") for number, rule in enumerate(rules)
    )
    good = kept.select(pl.all_horizontal(pl.all())).to_series()
    if good.all():
        return Split(frame, pl.DataFrame(schema=REJECTED_SCHEMA))
    return Split(frame.filter(good), _reasons(frame, kept, rules))


def row_rules(contract: Contract) -> list[RowRule]:
    """The rules that follow from the contract's columns alone."""
    rules: list[RowRule] = []
    for name, column in contract.columns.items():
        rules.extend(_column_rules(name, column))
    return rules


def _column_rules(name: str, column: Column) -> Iterable[RowRule]:
    present = pl.col(name).is_not_null()
    if column.dtype.type in (pl.Float32(), pl.Float64()):
        yield RowRule("finite", name, pl.col(name).is_finite() | pl.col(name).is_null())
    if not column.nullable:
        yield RowRule("not_null", name, present)
    for check in column.checks:
        yield RowRule(check.name, name, _compile(check)(pl.col(name)) | ~present)


_COMPILERS: dict[str, Callable[[pl.Expr, dict[str, Any]], pl.Expr]] = {
    "greater_than": lambda value, given: value > given["min_value"],
    "greater_than_or_equal_to": lambda value, given: value >= given["min_value"],
    "less_than": lambda value, given: value < given["max_value"],
    "less_than_or_equal_to": lambda value, given: value <= given["max_value"],
    "isin": lambda value, given: value.is_in(list(given["allowed_values"])),
    "str_length": lambda value, given: value.str.len_chars().is_between(
        given.get("min_value") or 0, given.get("max_value") or 2**31
    ),
}


def _compile(check: Check) -> Callable[[pl.Expr], pl.Expr]:
    if check.name not in _COMPILERS:
        raise ContractError(f"no row rule is known for the check {check.name!r}; add one here")
    compiler, given = _COMPILERS[check.name], dict(check.statistics or {})
    return lambda value: compiler(value, given)


def _check_columns(frame: pl.DataFrame, contract: Contract) -> None:
    expected, present = contract.dtypes, dict(frame.schema)
    missing = [name for name in expected if name not in present]
    unknown = [name for name in present if name not in expected]
    retyped = [
        f"{name} is {present[name]}, expected {dtype}"
        for name, dtype in expected.items()
        if name in present and present[name] != dtype
    ]
    if missing or unknown or retyped:
        raise ContractError(
            f"{contract.table}: missing columns {missing}, unknown columns {unknown}, "
            f"types {retyped}"
        )


def _reasons(frame: pl.DataFrame, kept: pl.DataFrame, rules: Sequence[RowRule]) -> pl.DataFrame:
    parts = []
    for rule, column in zip(rules, kept.iter_columns(), strict=True):
        rows = (~column).arg_true()
        if len(rows):
            value = frame.get_column(rule.column).gather(rows).cast(pl.String, strict=False)
            parts.append(
                pl.DataFrame({"row": rows, "value": value}).with_columns(
                    rule=pl.lit(rule.name), column_name=pl.lit(rule.column)
                )
            )
    return pl.concat(part.select(*REJECTED_SCHEMA).cast(REJECTED_SCHEMA) for part in parts).sort(
        "row", maintain_order=True
    )
