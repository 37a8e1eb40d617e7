"""From what a response says to the new versions it makes: the rules of revision and withdrawal.

Pure polars: frames in, frames out. A *dated* row carries the instant of its own publication
(basis ``stamp`` or ``calendar``); several dated rows of one cell are vintages. A *cell* is one
period of one series.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from data_contracts.observation import OBSERVATION

CELL = ["series_id", "period"]
PARSED_COLUMNS = (
    "series_id",
    "period",
    "value",
    "value_text",
    "status",
    "available_at",
    "available_basis",
    "response_id",
    "locator",
)
STORED_COLUMNS = (
    "series_id",
    "period",
    "version",
    "available_at",
    "available_basis",
    "value",
    "status",
)
VERSION_COLUMNS = [name for name in OBSERVATION.dtypes if name not in ("seen_at", "txn_id")]

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


def revise(
    parsed: pl.DataFrame, stored: pl.DataFrame, *, seen_at: datetime, complete: Collection[str]
) -> Revision:
    """Compare a parsed response with the stored versions of its series.

    Args:
        parsed: rows that :func:`checked` let through.
        stored: all versions of the cells in ``parsed`` and of all cells of complete series
            (``STORED_COLUMNS``).
        seen_at: when the rows became known to us.
        complete: series of which ``parsed`` holds every period there is.
    """
    newest = _newest(stored)
    judged = _judge(parsed, newest, stored)
    changed = _numbered(judged.filter(outcome="new"), seen_at)
    absent = _absent(parsed.filter(pl.col("series_id").is_in(list(complete))), newest)
    withdrawn = _numbered(absent, seen_at)
    counts = dict(judged.group_by("outcome").len().iter_rows())
    return Revision(
        pl.concat([changed, withdrawn]).sort(CELL),
        Recorded(
            added=len(changed),
            unchanged=counts.get("known", 0),
            withdrawn=len(withdrawn),
            outdated=counts.get("outdated", 0),
        ),
    )


def checked(parsed: pl.DataFrame, complete: Collection[str]) -> pl.DataFrame:
    """The columns of ``parsed`` that count, once every row can be an observation.

    Raises:
        ValueError: as :meth:`Store.record` says.
    """
    wrong = [
        f"{name} is {parsed.schema.get(name, 'missing')}, expected {OBSERVATION.dtypes[name]}"
        for name in PARSED_COLUMNS
        if parsed.schema.get(name) != OBSERVATION.dtypes[name]
    ]
    if wrong:
        raise ValueError(f"parsed observations: {'; '.join(wrong)}")
    rows = parsed.select(PARSED_COLUMNS)
    has_value = pl.col("status") == "value"
    _refuse(rows, rows.select(CELL).is_duplicated(), "stand twice; record one vintage at a time")
    _refuse(rows, has_value != pl.col("value").is_not_null(), "have a status that denies the value")
    _refuse(rows, ~pl.col("value").is_finite(), "are not finite numbers")
    _refuse(rows, _DATED & pl.col("available_at").is_null(), "are dated but have no instant")
    empty = sorted(set(complete) - set(rows["series_id"]))
    if empty:
        raise ValueError(
            f"no row at all for {', '.join(empty)}, said to be complete: an empty answer "
            "is no proof of withdrawal"
        )
    return rows


def _refuse(rows: pl.DataFrame, broken: pl.Expr | pl.Series, what: str) -> None:
    found = rows.filter(broken)
    if len(found):
        series_id, period = found.select(CELL).row(0)
        raise ValueError(f"{len(found)} observations {what}, e.g. {series_id} {period}")


def _newest(stored: pl.DataFrame) -> pl.DataFrame:
    """Per cell: its newest version, when it became known, and its newest dated vintage."""
    return (
        stored.sort([*CELL, "version"])
        .group_by(CELL, maintain_order=True)
        .agg(
            pl.last("version", "value", "status", "available_at").name.prefix("newest_"),
            dated_at=pl.col("available_at").filter(_DATED).max(),
            known_at=pl.first("available_at"),
        )
    )


def _judge(rows: pl.DataFrame, newest: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Add the newest version's columns and ``outcome``: new, known or outdated."""
    met = rows.join(newest, on=CELL, how="left", maintain_order="left")
    first = pl.col("newest_version").is_null()
    same = _same("value", "newest_value") & (pl.col("status") == pl.col("newest_status"))
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
    repeated = _repeated(met.filter(outcome="outdated"), stored)
    return met.join(repeated, on=CELL, how="left", maintain_order="left").with_columns(
        outcome=pl.coalesce("repeated", "outcome")
    )


def _repeated(older: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Cells of an older vintage that say exactly what was known as of that vintage."""
    then = (
        older.select(*CELL, "value", "status", vintage_at="available_at")
        .join(stored, on=CELL, suffix="_then")
        .filter(pl.col("available_at") <= pl.col("vintage_at"))
        .sort("version")
        .unique(CELL, keep="last")
    )
    same = _same("value", "value_then") & (pl.col("status") == pl.col("status_then"))
    return then.filter(same).select(*CELL, repeated=pl.lit("known"))


def _absent(rows: pl.DataFrame, newest: pl.DataFrame) -> pl.DataFrame:
    """Stored cells that complete series no longer have, as withdrawals in parsed form."""
    missing = (
        newest.filter(pl.col("newest_status") != "withdrawn")
        .join(_vintages(rows), on="series_id")
        .join(rows, on=CELL, how="anti")
    )
    # An older vintage than the one that published the period proves nothing about it.
    proven = pl.col("available_at") >= pl.coalesce("dated_at", "known_at")
    return missing.filter(proven.fill_null(value=True)).with_columns(
        value=pl.lit(None, pl.Float64),
        value_text=pl.lit(None, pl.String),
        status=pl.lit("withdrawn"),
        locator=pl.lit("absent"),
    )


def _vintages(rows: pl.DataFrame) -> pl.DataFrame:
    """Per series: a response that carries it and, when all its rows share one, their instant."""
    uniform = _DATED.all() & (pl.col("available_at").n_unique() == 1)
    # One period alone cannot show whether its instant is the response's or its own.
    several = pl.col("period").n_unique() > 1
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


def _numbered(rows: pl.DataFrame, seen_at: datetime) -> pl.DataFrame:
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
    ).select(VERSION_COLUMNS)


def _same(left: str, right: str) -> pl.Expr:
    """Equal bits, or both null."""
    return _bits(left).eq_missing(_bits(right))


def _bits(column: str) -> pl.Expr:
    return pl.col(column).reinterpret(dtype=pl.Int64)
