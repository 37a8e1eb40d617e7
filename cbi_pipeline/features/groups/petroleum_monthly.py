"""Petroleum balances of the Monthly Energy Review, each month in the newest issue."""

from __future__ import annotations

from cbi_pipeline.features import expressions as e
from cbi_pipeline.features.expressions import Expression
from cbi_pipeline.features.group import Column, Group, Series


def _monthly(name: str, words: str) -> Series:
    return Series(name, words, "month", "eia_mer_monthly")


def _year(series: Series) -> Expression:
    return e.change(e.log(series.value), 12)


_USE = _monthly("use", "petroleum consumption")
_OUTPUT = _monthly("output", "crude oil production")
_IMPORTS = _monthly("imports", "petroleum imports")
_EXPORTS = _monthly("exports", "petroleum exports")

GROUP = Group(
    name="petroleum_monthly",
    words="Monthly petroleum balances of the United States",
    age="monthly",
    columns=(
        Column("petroleum_use_year", "log", _year(_USE), "change over 12 months"),
        Column("petroleum_output_year", "log", _year(_OUTPUT), "change over 12 months"),
        Column("petroleum_imports_year", "log", _year(_IMPORTS), "change over 12 months"),
        Column("petroleum_exports_year", "log", _year(_EXPORTS), "change over 12 months"),
    ),
)
