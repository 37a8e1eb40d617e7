"""Walk-forward forecasts as they are stored: each fold once, an evaluation as a list of folds.

A fold is named by its forecasts, so a round that forecasts what an earlier one did adds no row of
them. `evaluation.forecast` is a view that puts the two tables together.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from cbi_pipeline.registry import newest_evidence, sort_decisions
from data_contracts.evaluation import ABSENCE, CROWNS, FOLD, FOLD_FORECAST, FORECAST, SCORE

if TYPE_CHECKING:
    from cbi_pipeline.warehouse import Store

#: How long the evidence behind a decision is kept.
KEPT_DAYS = 366


def split_folds(forecasts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Rows of the tables that hold walk-forward forecasts, by table.

    Args:
        forecasts: rows of ``evaluation.forecast``.
    """
    lists, parts = [], {}
    whole = forecasts.sort(FORECAST.key).partition_by(FOLD.key, as_dict=True)
    for key, rows in whole.items():
        content = rows.select(list(FOLD_FORECAST.dtypes)[1:])
        fold_id = _hash(content)
        lists.append((*key, fold_id))
        parts[fold_id] = content.select(pl.lit(fold_id).alias("fold_id"), pl.all())
    return {
        FOLD_FORECAST.table: pl.concat([FOLD_FORECAST.empty(), *parts.values()]),
        FOLD.table: pl.DataFrame(lists, schema=FOLD.dtypes, orient="row"),
    }


def read_forecasts(store: Store, evaluation_id: str, recipe: str | None = None) -> pl.DataFrame:
    """Rows of ``evaluation.forecast`` of an evaluation, of all recipes or of one."""
    # What is the same in every row, and long, is not read a million times.
    rows = store.query(
        "SELECT * EXCLUDE (evaluation_id) FROM evaluation.forecast "
        "WHERE evaluation_id = ? AND recipe = coalesce(?, recipe)",
        [evaluation_id, recipe],
    ).with_columns(evaluation_id=pl.lit(evaluation_id))
    return rows.select(pl.col(name).cast(kind) for name, kind in FORECAST.dtypes.items()).sort(
        FORECAST.key
    )


def load_evidence(store: Store, recipe: str) -> pl.DataFrame:
    """A recipe's walk-forward forecasts in the evaluation that the gate saw last."""
    newest = newest_evidence(store.table("registry.decision"))
    return read_forecasts(store, newest, recipe)


def drop_old_evidence(store: Store, newest: str, now: datetime) -> int:
    """Drop evaluations that nothing rests on any longer; the number of forecasts that went.

    Kept are the newest, those that a decision of the last year names, and those behind the
    champion and behind the bands that are issued.

    Args:
        store: the warehouse, in a transaction of its writer.
        newest: the evaluation that was gathered last.
        now: the instant on the wall clock.
    """
    stored = store.table(FOLD.table)
    kept = {newest, *_list_needed(store, now)}
    gone = stored.filter(~pl.col("evaluation_id").is_in(kept))
    if gone.is_empty():
        return 0
    needed = stored.filter(pl.col("evaluation_id").is_in(kept))
    orphans = gone.join(needed, on="fold_id", how="anti")
    for table in (FOLD, SCORE, ABSENCE):
        store.remove(table.table, gone.select("evaluation_id"))
    return store.remove(FOLD_FORECAST.table, orphans.select("fold_id"))


def _list_needed(store: Store, now: datetime) -> set[str]:
    decisions = sort_decisions(store.table("registry.decision"))
    recent = decisions.filter(pl.col("decided_at") > now - timedelta(days=KEPT_DAYS))
    crowned = decisions.filter(pl.col("verdict").is_in(CROWNS)).tail(1)
    named = (*recent["evaluation_id"], *crowned["evaluation_id"])
    return {*named, newest_evidence(decisions)}


def _hash(content: pl.DataFrame) -> str:
    """The sha256 of the forecasts of one commodity."""
    digest = hashlib.sha256(content["commodity"][0].encode())
    for column in content.drop("commodity").iter_columns():
        digest.update(column.to_physical().to_numpy().tobytes())
    return digest.hexdigest()
