"""From what a response says to the new versions it makes: the rules of revision and withdrawal.

Pure polars: frames in, frames out. A *dated* row carries the instant of its own publication
(basis ``stamp`` or ``calendar``); several dated rows of one cell are vintages. A *cell* is what has
versions: one period of one series, one bar.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from data_contracts.versioned import VersionedTable

_DATED = pl.col("available_basis").is_in(["stamp", "calendar"])


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one call of ``Store.record`` did; counts are cells.

    Attributes:
        added: first values and changes written.
        unchanged: cells that said what was known already.
        withdrawn: withdrawals written.
        outdated: cells of an older vintage than the stored one that differ from what is stored
            of that vintage; nothing is written for them.
    """

    added: int
    unchanged: int
    withdrawn: int
    outdated: int


@dataclass(frozen=True, slots=True)
class Revision:
    """New versions to write, without ``seen_at`` and ``txn_id``, and the account of them."""

    versions: pl.DataFrame
    recorded: Recorded


def stored_columns(table: VersionedTable) -> list[str]:
    """What is read of stored versions to compare with."""
    return [
        *table.cell,
        *table.identity,
        "version",
        "available_at",
        "available_basis",
        *table.content,
    ]


def revise(
    table: VersionedTable,
    parsed: pl.DataFrame,
    stored: pl.DataFrame,
    *,
    seen_at: datetime,
    complete: Collection[str],
) -> Revision:
    """Compare a parsed response with the stored versions of its series.

    Args:
        table: table that the rows are of.
        parsed: rows that :func:`checked` let through.
        stored: all versions of the cells in ``parsed`` and of all cells of complete series
            (:func:`stored_columns`).
        seen_at: when the rows became known to us.
        complete: series of which ``parsed`` holds every period there is.
    """
    newest = _select_newest(table, stored)
    judged = _judge(table, parsed, newest, stored)
    changed = _number(table, judged.filter(outcome="new"), seen_at)
    absent = _make_withdrawals(
        table, parsed.filter(pl.col("series_id").is_in(list(complete))), newest
    )
    withdrawn = _number(table, absent, seen_at)
    counts = dict(judged.group_by("outcome").len().iter_rows())
    return Revision(
        pl.concat([changed, withdrawn]).sort(table.cell),
        Recorded(
            added=len(changed),
            unchanged=counts.get("known", 0),
            withdrawn=len(withdrawn),
            outdated=counts.get("outdated", 0),
        ),
    )


def check(table: VersionedTable, parsed: pl.DataFrame, complete: Collection[str]) -> pl.DataFrame:
    """The columns of ``parsed`` that count, once every row can be recorded.

    Raises:
        ValueError: as :meth:`Store.record` says.
    """
    dtypes = table.contract.dtypes
    names = [name for name in table.row_columns if name in dtypes]
    wrong = [
        f"{name} is {parsed.schema.get(name, 'missing')}, expected {dtypes[name]}"
        for name in names
        if parsed.schema.get(name) != dtypes[name]
    ]
    if wrong:
        raise ValueError(f"parsed {table.noun}s: {'; '.join(wrong)}")
    rows = parsed.select(names)
    _require_recordable(table, rows)
    empty = sorted(set(complete) - set(rows["series_id"]))
    if empty:
        raise ValueError(
            f"no row at all for {', '.join(empty)}, said to be complete: an empty answer "
            "is no proof of withdrawal"
        )
    return rows


def _require_recordable(table: VersionedTable, rows: pl.DataFrame) -> None:
    def refuse(broken: pl.Expr | pl.Series, what: str) -> None:
        refused = rows.filter(broken)
        if len(refused):
            series_id, time = refused.select(table.cell).row(0)
            raise ValueError(f"{len(refused)} {table.noun}s {what}, e.g. {series_id} {time}")

    has_value = pl.col("status") == "value"
    refuse(rows.select(table.cell).is_duplicated(), "stand twice; record one vintage at a time")
    for name in table.measured:
        refuse(has_value != pl.col(name).is_not_null(), "have a status that denies the value")
        if table.contract.dtypes[name].is_float():
            refuse(~pl.col(name).is_finite(), "are not finite numbers")
    refuse(_DATED & pl.col("available_at").is_null(), "are dated but have no instant")


def _select_newest(table: VersionedTable, stored: pl.DataFrame) -> pl.DataFrame:
    """Per cell: its newest version, when it became known, and its newest dated vintage."""
    return (
        stored.sort([*table.cell, "version"])
        .group_by(table.cell, maintain_order=True)
        .agg(
            pl.last("version", "available_at", *table.content).name.prefix("newest_"),
            *(pl.first(name).alias(f"stored_{name}") for name in table.identity),
            dated_at=pl.col("available_at").filter(_DATED).max(),
            known_at=pl.first("available_at"),
        )
    )


def _judge(
    table: VersionedTable, rows: pl.DataFrame, newest: pl.DataFrame, stored: pl.DataFrame
) -> pl.DataFrame:
    """Add the newest version's columns and ``outcome``: new, known or outdated."""
    met = rows.join(newest, on=table.cell, how="left", maintain_order="left")
    first = pl.col("newest_version").is_null()
    same = table.says_as("newest_{}")
    older = (_DATED & (pl.col("available_at") < pl.col("dated_at"))).fill_null(value=False)
    met = met.with_columns(
        outcome=pl.when(first)
        .then(pl.lit("new"))
        .when(same)
        .then(pl.lit("known"))
        .when(older)
        .then(pl.lit("outdated"))
        .otherwise(pl.lit("new"))
    )
    if not (met["outcome"] == "outdated").any():
        return met
    repeated = _select_repeated(table, met.filter(outcome="outdated"), stored)
    return met.join(repeated, on=table.cell, how="left", maintain_order="left").with_columns(
        outcome=pl.coalesce("repeated", "outcome")
    )


def _select_repeated(
    table: VersionedTable, older: pl.DataFrame, stored: pl.DataFrame
) -> pl.DataFrame:
    """Cells of an older vintage that say exactly what was known as of that vintage."""
    then = (
        older.select(*table.cell, *table.content, vintage_at="available_at")
        .join(stored, on=table.cell, suffix="_then")
        .filter(pl.col("available_at") <= pl.col("vintage_at"))
        .sort("version")
        .unique(table.cell, keep="last")
    )
    same = then.filter(table.says_as("{}_then"))
    return same.select(*table.cell, repeated=pl.lit("known"))


def _make_withdrawals(
    table: VersionedTable, rows: pl.DataFrame, newest: pl.DataFrame
) -> pl.DataFrame:
    """Stored cells that complete series no longer have, as withdrawals in parsed form."""
    missing = (
        newest.filter(pl.col("newest_status") != "withdrawn")
        .join(_vintages(table, rows), on="series_id")
        .join(rows, on=table.cell, how="anti")
    )
    # An older vintage than the one that published the period proves nothing about it.
    proven = pl.col("available_at") >= pl.coalesce("dated_at", "known_at")
    return missing.filter(proven.fill_null(value=True)).with_columns(
        *table.empty_content(),
        *(pl.col(f"stored_{name}").alias(name) for name in table.identity),
        status=pl.lit("withdrawn"),
        locator=pl.lit("absent"),
    )


def _vintages(table: VersionedTable, rows: pl.DataFrame) -> pl.DataFrame:
    """Per series: a response that carries it and, when all its rows share one, their instant."""
    uniform = _DATED.all() & (pl.col("available_at").n_unique() == 1)
    # One period alone cannot show whether its instant is the response's or its own.
    several = pl.col(table.time).n_unique() > 1
    shared = ((uniform & several).over("response_id") & uniform.over("series_id")).alias("shared")
    return (
        rows.with_columns(shared)
        .group_by("series_id", maintain_order=True)
        .agg(pl.last("response_id", "available_at", "available_basis", "shared"))
        .with_columns(
            available_at=pl.when("shared").then("available_at"),
            available_basis=pl.when("shared").then("available_basis"),
        )
    )


def _number(table: VersionedTable, rows: pl.DataFrame, seen_at: datetime) -> pl.DataFrame:
    """Give each new version its number and its knowledge time."""
    first = pl.col("newest_version").is_null() & pl.col("available_at").is_not_null()
    vintage = _DATED & (pl.col("available_at") > pl.col("newest_available_at"))
    own = (first | vintage).fill_null(value=False)
    return rows.with_columns(
        version=pl.col("newest_version").fill_null(0) + 1,
        available_at=pl.when(own)
        .then("available_at")
        .otherwise(pl.lit(seen_at, pl.Datetime("us", "UTC"))),
        available_basis=pl.when(own).then("available_basis").otherwise(pl.lit("first_seen")),
    ).select([name for name in table.contract.dtypes if name not in ("seen_at", "txn_id")])
