"""Screen parsed rows: which keep their family's rules, which are repeats, which are set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from cbi_pipeline.feeds import Series
from data_contracts.families import family
from data_contracts.keys import keys_are_unique
from data_contracts.observation import PARSED, QUARANTINE
from data_contracts.split import REJECTED_SCHEMA, RowRule, split

KEY = ["series_id", "period"]
#: A row set aside: where it stands, the rule and value that did it, and the contract's version.
REFUSAL = {
    name: QUARANTINE.dtypes[name]
    for name in ("response_id", "locator", "rule", "column_name", "value", "contract_version")
}
NO_REFUSALS = pl.DataFrame(schema=REFUSAL)


@dataclass(frozen=True, slots=True)
class Screened:
    """Outcome of screening one response.

    Attributes:
        good: rows of ``parsed.observation`` that may be recorded.
        rejected: rejected rows, one line per broken rule, with the parsed columns beside
            ``rule``, ``column_name``, ``offending`` and ``contract_version``, null unless the row
            was refused before.
        duplicates: exact repeats dropped.
    """

    good: pl.DataFrame
    rejected: pl.DataFrame
    duplicates: int


def screen(
    parsed: pl.DataFrame,
    series: Mapping[str, Series],
    known_until: datetime,
    refused: pl.DataFrame = NO_REFUSALS,
) -> Screened:
    """Screen one response's rows.

    Args:
        parsed: frame with the columns of ``parsed.observation``.
        series: followed series; rows of any other are set aside.
        known_until: no row may claim to have been public after this instant.
        refused: rows of this response, by locator, that were set aside when it was first judged
            and stay so whatever today's rules say (columns of ``REFUSAL``).
    """
    parsed = parsed.with_row_index("row")
    followed = pl.col("series_id").is_in(list(series))
    goods, reasons = [], [_unfollowed(parsed.filter(~followed))]
    for (name, unit, span), members in _alike(series.values()).items():
        part = parsed.filter(pl.col("series_id").is_in(members))
        rules = family(name).rules(unit, known_until, span)
        good, rejected = _split(part, rules)
        goods.append(good)
        reasons.append(rejected)
    good, conflicts, duplicates = _resolve_repeats(pl.concat(goods).sort("row"))
    before = refused.join(parsed.select("row", "locator"), on="locator")
    stays = before.join(good, on="row", how="semi").select(conflicts.columns)
    good = good.join(stays, on="row", how="anti", maintain_order="left")
    good, strays = _in_order(good, [name for name, one in series.items() if one.span])
    rejected = pl.concat([*reasons, conflicts, strays, stays]).join(
        before.select("row", "rule", "contract_version"), on=["row", "rule"], how="left"
    )
    return Screened(
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


def _split(part: pl.DataFrame, rules: list[RowRule]) -> tuple[pl.DataFrame, pl.DataFrame]:
    outcome = split(part.drop("row"), PARSED, rules)
    if outcome.rejected.is_empty():
        return part, outcome.rejected
    positions = part.get_column("row")
    rejected = outcome.rejected.with_columns(row=positions.gather(outcome.rejected["row"]))
    return part.filter(~pl.col("row").is_in(rejected["row"].implode())), rejected


def _unfollowed(rows: pl.DataFrame) -> pl.DataFrame:
    return _reason(rows, "known_series", "series_id")


def _resolve_repeats(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    if keys_are_unique(rows, KEY):
        return rows, pl.DataFrame(schema=REJECTED_SCHEMA), 0
    # Equal repeats say nothing new; unequal ones cannot be told apart, so none of them is used.
    if not rows.select(KEY).is_duplicated().any():
        return rows, _reason(rows.clear(), "conflicting_duplicate", "value_text"), 0
    content = pl.struct("value", "status")
    rows = rows.with_columns(different=content.n_unique().over(KEY))
    conflicting = rows.filter(pl.col("different") > 1).drop("different")
    agreeing = rows.filter(pl.col("different") == 1).drop("different")
    kept = agreeing.unique(subset=KEY, keep="first", maintain_order=True)
    conflicts = _reason(conflicting, "conflicting_duplicate", "value_text")
    return kept, conflicts, len(agreeing) - len(kept)


def _in_order(rows: pl.DataFrame, closed: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows without those of closed records that stand among others in order and are out of it."""
    ours = rows.filter(pl.col("series_id").is_in(closed))
    period = pl.col("period")
    before = period.shift(1, fill_value=date.min).over("series_id")
    after = period.shift(-1, fill_value=date.max).over("series_id")
    # Where the rows around are out of order themselves, nothing tells which of them strayed: that
    # is for the rule about the whole delivery to say.
    stray = (before < after) & ~period.is_between(before, after, closed="none")
    strays = _reason(ours.filter(stray), "in_order", "period")
    return rows.join(strays, on="row", how="anti", maintain_order="left"), strays


def _reason(rows: pl.DataFrame, rule: str, column: str) -> pl.DataFrame:
    return rows.select(
        pl.col("row"),
        rule=pl.lit(rule),
        column_name=pl.lit(column),
        value=pl.col(column).cast(pl.String),
    ).cast(REJECTED_SCHEMA)
