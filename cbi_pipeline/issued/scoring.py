"""How issued forecasts turned out, once their target prices are public.

What was scored stays as it is until another price decides it. A release that scores otherwise
empties ``issued.score`` by a migration, and the next night scores everything anew.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from cbi_pipeline.issued.counting import select_counted
from cbi_pipeline.market import find_outcomes
from data_contracts.issued import SCORE

_KEY = ["track", "as_of", "commodity", "horizon", "model_version"]
# Levels closer than this are the same; closer to one half than that, `up` calls no direction.
_ROUNDING = 1e-9
_NO_CALL = 1e-6
_LOW, _MEDIAN, _HIGH = 0.1, 0.5, 0.9


def score(forecasts: pl.DataFrame, prices: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Rows of issued.score for every forecast that counts and whose target price is public.

    Which do, :func:`cbi_pipeline.issued.counting.select_counted` says.

    Each is scored twice: against the first price published for the target session, and against
    the price as known at ``as_of``. Where the market was shut against its calendar, the first
    session with a price within a week after takes the target's place. A target without a positive
    price has no log return and no score. No direction was right or wrong when the price did not
    move, or none was called (``up`` within a millionth of one half).

    Args:
        forecasts: rows of issued.forecast.
        prices: rows of market.session, all versions.
        as_of: only prices public by then count.

    Raises:
        ValueError: a forecast lacks the 0.1, 0.5 or 0.9 level.
    """
    came = _meet(select_counted(forecasts), _list_vintages(prices, as_of)).with_columns(
        actual=(pl.col("actual_price") / pl.col("origin_price")).log()
    )
    scored = came.group_by([*_KEY, "vintage"]).agg(
        pl.col("target_session", "actual", "actual_price", "up").first(),
        pinball=pinball_loss().mean(),
        low=_at(_LOW),
        median=_at(_MEDIAN),
        high=_at(_HIGH),
    )
    _check_levels(scored)
    return (
        scored.with_columns(
            covered=pl.col("actual").is_between("low", "high"),
            hit=_hit(),
            error=(pl.col("actual") - pl.col("median")).abs(),
            naive_error=pl.col("actual").abs(),
        )
        .select([pl.col(name).cast(dtype) for name, dtype in SCORE.dtypes.items()])
        .sort(SCORE.key)
    )


def find_changed(
    issues: pl.DataFrame, scores: pl.DataFrame, prices: pl.DataFrame, as_of: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Which forecasts are to be scored, because a price came or is another; which scores go.

    A score goes where its forecast no longer counts, or no price decides it any more.

    Args:
        issues: rows of issued.forecast, one of each forecast, without level and value.
        scores: rows of issued.score; their key and ``actual_price`` alone are read.
        prices: rows of market.session, all versions.
        as_of: only prices public by then count.

    Returns:
        Keys of issued.forecast but for the level, each once; keys of issued.score.
    """
    came = _meet(select_counted(issues), _list_vintages(prices, as_of))
    changed = came.join(scores, on=[*SCORE.key, "actual_price"], how="anti")
    gone = scores.join(came, on=SCORE.key, how="anti")
    return changed.select(_KEY).unique(), gone.select(SCORE.key)


def _list_vintages(prices: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The first and the latest price of each session, as public at an instant."""
    public = prices.filter(pl.col("available_at") <= as_of).sort("commodity", "session", "version")
    return pl.concat([_vintage(public, "first"), _vintage(public, "latest")])


def _vintage(prices: pl.DataFrame, vintage: str) -> pl.DataFrame:
    keep: Literal["first", "last"] = "first" if vintage == "first" else "last"
    priced = prices.filter(pl.col("price").is_not_null()) if keep == "first" else prices
    return (
        priced.unique(["commodity", "session"], keep=keep, maintain_order=True)
        .filter(pl.col("price").is_not_null())
        .select("commodity", "session", actual_price="price", vintage=pl.lit(vintage))
    )


def _meet(forecasts: pl.DataFrame, vintages: pl.DataFrame) -> pl.DataFrame:
    """The forecasts with the price that each is judged by, once per vintage."""
    met = [forecasts.clear().join(vintages.clear(), on="commodity")]
    for (commodity, _), priced in vintages.sort("session").group_by("commodity", "vintage"):
        own = forecasts.filter(commodity=commodity)
        row = find_outcomes(_days(own["target_session"]), _days(priced["session"]))
        judged = row >= 0
        met.append(own.filter(judged).hstack(priced.drop("commodity")[row[judged]]))
    return pl.concat(met).filter(pl.col("actual_price") > 0)


def _days(sessions: pl.Series) -> npt.NDArray[np.int64]:
    return sessions.to_physical().cast(pl.Int64).to_numpy()


def pinball_loss() -> pl.Expr:
    """Pinball loss (Koenker and Bassett, 1978) of a row's ``value`` at its ``quantile``."""
    gap = pl.col("actual") - pl.col("value")
    return pl.max_horizontal(pl.col("quantile") * gap, (pl.col("quantile") - 1) * gap)


def _at(level: float) -> pl.Expr:
    return pl.col("value").filter((pl.col("quantile") - level).abs() < _ROUNDING).first()


def _hit() -> pl.Expr:
    called = (pl.col("actual") != 0) & ((pl.col("up") - 0.5).abs() > _NO_CALL)
    return pl.when(called).then((pl.col("up") > 0.5) == (pl.col("actual") > 0))


def _check_levels(scored: pl.DataFrame) -> None:
    lacking = scored.filter(pl.any_horizontal(pl.col("low", "median", "high").is_null()))
    if lacking.height:
        raise ValueError(
            f"a score needs the levels {_LOW}, {_MEDIAN} and {_HIGH}; "
            f"{lacking.height} forecasts lack one, first: {lacking.select(_KEY).row(0)}"
        )
