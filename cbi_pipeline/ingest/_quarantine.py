"""Quarantine: rows that were set aside, what becomes of them, and how they are told."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from cbi_pipeline.feeds import Source
from cbi_pipeline.ingest._judged import Judged
from cbi_pipeline.warehouse import Store
from data_contracts.families import family
from data_contracts.observation import QUARANTINE
from data_contracts.restatement import is_confirmable

#: Rows of a rule that are shown.
_SHOWN = 3
_SAME_ROW = ["series_id", "rule", "row"]


def refusals(source: Source, judged: Judged) -> pl.DataFrame:
    """Rejected rows as open rows of ``quarantine.row``, but for transaction and instant."""
    versions = {one.id: family(one.family).version for one in source.series}
    today = pl.col("series_id").replace_strict(
        versions, default="unfollowed", return_dtype=pl.String
    )
    return judged.rejected.select(
        "response_id",
        "locator",
        "rule",
        pl.lit(source.name).alias("feed"),
        "series_id",
        "period",
        "column_name",
        pl.col("offending").alias("value"),
        pl.col("row_json").alias("row"),
        pl.coalesce("contract_version", today).alias("contract_version"),
        pl.lit("open").alias("fate"),
    ).unique(list(QUARANTINE.key), keep="first", maintain_order=True)


def settle(
    store: Store, source: Source, judged: Judged, seen_at: datetime, txn_id: int
) -> pl.DataFrame:
    """Rows of ``quarantine.row`` that a delivery adds or settles.

    A row refused again night after night is one quarantined row. An open one whose series and
    period were answered anew, without it, is superseded, or accepted where a second sight let it
    in.
    """
    rejected = refusals(source, judged)
    opened = store.table("quarantine.row", "feed = ? AND fate = 'open'", [source.name])
    answered = _answered(opened, judged, {one.id for one in source.series})
    # Night after night a service sends the same row in other bytes; a file has it in its place.
    same = _SAME_ROW if source.service is not None else list(QUARANTINE.key)
    gone = answered.join(rejected, on=same, how="anti", nulls_equal=True)
    fresh = rejected.join(opened, on=same, how="anti", nulls_equal=True).with_columns(
        txn_id=pl.lit(txn_id, pl.Int64), seen_at=pl.lit(seen_at, pl.Datetime("us", "UTC"))
    )
    let_in = pl.col("series_id").is_in(list(judged.confirmed)) & pl.col("rule").is_in(
        list(filter(is_confirmable, gone["rule"].unique()))
    )
    fate = pl.when(let_in).then(pl.lit("accepted")).otherwise(pl.lit("superseded"))
    columns = list(QUARANTINE.dtypes)
    return pl.concat([gone.with_columns(fate=fate).select(columns), fresh.select(columns)])


def _answered(opened: pl.DataFrame, judged: Judged, followed: set[str]) -> pl.DataFrame:
    """Open rows whose series and period this delivery speaks of."""
    period, stray = pl.col("period"), ~pl.col("series_id").is_in(list(followed))
    asked = [
        (pl.col("series_id").is_in(pull.series) | (stray & pl.lit(pull.last is None)))
        & ((period >= pull.first) & (period <= pull.last if pull.last else True)).fill_null(
            # A row without a readable date, or of no followed series, stands for no question; the
            # newest answer decides.
            value=pull.last is None
        )
        for pull in judged.covered
    ]
    return opened.filter(pl.any_horizontal(asked)) if asked else opened.clear()


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
