"""Rows that were set aside: as rows of quarantine, and in words."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from data_contracts.observation import QUARANTINE

#: Rows of a rule that are shown.
_SHOWN = 3


def as_refusals(feed: str, rejected: pl.DataFrame, versions: Mapping[str, str]) -> pl.DataFrame:
    """Rejected rows with their response as rows of ``quarantine.row``."""
    today = pl.col("series_id").replace_strict(
        versions, default="unfollowed", return_dtype=pl.String
    )
    return rejected.select(
        "response_id",
        "locator",
        "rule",
        pl.lit(feed).alias("feed"),
        "series_id",
        "period",
        "column_name",
        pl.col("offending").alias("value"),
        pl.col("row_json").alias("row"),
        pl.coalesce("contract_version", today).alias("contract_version"),
        pl.lit("open").alias("fate"),
    ).unique(list(QUARANTINE.key), keep="first", maintain_order=True)


def describe_refusals(rejected: pl.DataFrame) -> tuple[str, ...]:
    """A line for each rule that was broken, the one that most rows broke first.

    Args:
        rejected: rejected rows, one line per broken rule, as of ``Screened``.
    """
    rules = rejected.group_by("rule", maintain_order=True).len().sort("len", descending=True)
    return tuple(_describe(rule, rejected.filter(pl.col("rule") == rule)) for rule in rules["rule"])


def _describe(rule: str, rows: pl.DataFrame) -> str:
    shown = ", ".join(
        f"{row['locator']} ({row['column_name']} {row['offending'] or 'empty'})"
        for row in rows.head(_SHOWN).iter_rows(named=True)
    )
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    number = "1 row breaks" if len(rows) == 1 else f"{len(rows)} rows break"
    return f"{number} the rule {rule}: {shown}{more}"
