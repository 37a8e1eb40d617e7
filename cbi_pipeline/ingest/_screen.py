"""Screen parsed rows: which keep their family's rules, which are repeats, which are set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from cbi_pipeline.feeds import Series
from data_contracts.families import family
from data_contracts.keys import keys_are_unique
from data_contracts.observation import QUARANTINE
from data_contracts.split import REJECTED_SCHEMA, RowRule, split
from data_contracts.versioned import OBSERVATIONS, VersionedTable

#: A row set aside: where it stands, the rule and value that did it, and the contract's version.
REFUSAL = {
    name: QUARANTINE.dtypes[name]
    for name in ("response_id", "locator", "rule", "column_name", "value", "contract_version")
}
NO_REFUSALS = pl.DataFrame(schema=REFUSAL)
#: Later than any day or instant, counted as either is.
_FOREVER = 2**62


@dataclass(frozen=True, slots=True)
class Screened:
    """Rows of some series of an answer, screened.

    Attributes:
        series: the series.
        parsed: number of rows.
        good: parsed rows that may be recorded.
        rejected: rejected rows, one line per broken rule, with the parsed columns beside
            ``rule``, ``column_name``, ``offending`` and ``contract_version``, null unless the row
            was refused before.
        duplicates: exact repeats dropped.
        doubted: series of which too many rows are refused to use the others: refused and all rows.
    """

    series: tuple[str, ...]
    parsed: int
    good: pl.DataFrame
    rejected: pl.DataFrame
    duplicates: int
    doubted: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def screen(
    parsed: pl.DataFrame,
    series: Mapping[str, Series],
    known_until: datetime,
    refused: pl.DataFrame = NO_REFUSALS,
    table: VersionedTable = OBSERVATIONS,
) -> Screened:
    """Screen one response's rows.

    Args:
        parsed: frame with the columns of the table's parsed contract, ``period`` and
            ``response_id``.
        series: followed series; rows of any other are set aside.
        known_until: no row may claim to have been public after this instant.
        refused: rows that were set aside when they were first judged and stay so whatever today's
            rules say (columns of ``REFUSAL``).
        table: table that they are rows of.
    """
    parsed = parsed.with_row_index("row")
    followed = pl.col("series_id").is_in(list(series))
    goods, reasons = [], [_unfollowed(parsed.filter(~followed))]
    for (name, unit, span), members in _alike(series.values()).items():
        part = parsed.filter(pl.col("series_id").is_in(members))
        rules = family(name).rules(unit, known_until, span, table)
        good, rejected = _split(table, part, rules)
        goods.append(good)
        reasons.append(rejected)
    good, conflicts, duplicates = _resolve_repeats(table, pl.concat(goods).sort("row"))
    places = ["response_id", "locator"]
    before = refused.join(parsed.select("row", *places), on=places)
    stays = before.join(good, on="row", how="semi").select(conflicts.columns)
    good = good.join(stays, on="row", how="anti", maintain_order="left")
    good, strays = _in_order(table, good, [name for name, one in series.items() if one.span])
    rejected = pl.concat([*reasons, conflicts, strays, stays]).join(
        before.select("row", "rule", "contract_version"), on=["row", "rule"], how="left"
    )
    return Screened(
        series=tuple(series),
        parsed=len(parsed),
        good=good.drop("row"),
        rejected=rejected.rename({"value": "offending"})
        .join(parsed, on="row", how="left")
        .sort("row", maintain_order=True),
        duplicates=duplicates,
    )


def _alike(
    series: Iterable[Series],
) -> dict[tuple[str, str, tuple[date, date] | None], list[str]]:
    """Series that keep the same rules: ids by family, unit and span."""
    found: dict[tuple[str, str, tuple[date, date] | None], list[str]] = {}
    for one in sorted(series, key=lambda one: (one.family, one.unit)):
        found.setdefault((one.family, one.unit, one.span), []).append(one.id)
    return found


def _split(
    table: VersionedTable, part: pl.DataFrame, rules: list[RowRule]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    # The columns that landing added are none of the contract's; a further one of a parser is.
    extra = {"row", "period", "response_id"} - table.parsed.dtypes.keys()
    outcome = split(part.drop(extra), table.parsed, rules)
    if outcome.rejected.is_empty():
        return part, outcome.rejected
    positions = part.get_column("row")
    rejected = outcome.rejected.with_columns(row=positions.gather(outcome.rejected["row"]))
    return part.filter(~pl.col("row").is_in(rejected["row"].implode())), rejected


def _unfollowed(rows: pl.DataFrame) -> pl.DataFrame:
    return _reason(rows, "known_series", "series_id")


def _resolve_repeats(
    table: VersionedTable, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    cell = table.cell
    if keys_are_unique(rows, cell):
        return rows, pl.DataFrame(schema=REJECTED_SCHEMA), 0
    # Equal repeats say nothing new; unequal ones cannot be told apart, so none of them is used.
    if not rows.select(cell).is_duplicated().any():
        return rows, _reason(rows.clear(), "conflicting_duplicate", table.text), 0
    content = pl.struct(table.content)
    rows = rows.with_columns(different=content.n_unique().over(cell))
    conflicting = rows.filter(pl.col("different") > 1).drop("different")
    agreeing = rows.filter(pl.col("different") == 1).drop("different")
    kept = agreeing.unique(subset=cell, keep="first", maintain_order=True)
    conflicts = _reason(conflicting, "conflicting_duplicate", table.text)
    return kept, conflicts, len(agreeing) - len(kept)


def _in_order(
    table: VersionedTable, rows: pl.DataFrame, closed: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows without those of closed records that stand among others in order and are out of it."""
    ours = rows.filter(pl.col("series_id").is_in(closed))
    time = pl.col(table.time).to_physical().cast(pl.Int64)
    before = time.shift(1, fill_value=-_FOREVER).over("series_id")
    after = time.shift(-1, fill_value=_FOREVER).over("series_id")
    # Where the rows around are out of order themselves, nothing tells which of them strayed: that
    # is for the rule about the whole delivery to say.
    stray = (before < after) & ~time.is_between(before, after, closed="none")
    strays = _reason(ours.filter(stray), "in_order", table.time)
    return rows.join(strays, on="row", how="anti", maintain_order="left"), strays


def _reason(rows: pl.DataFrame, rule: str, column: str) -> pl.DataFrame:
    return rows.select(
        pl.col("row"),
        rule=pl.lit(rule),
        column_name=pl.lit(column),
        value=pl.col(column).cast(pl.String),
    ).cast(REJECTED_SCHEMA)
