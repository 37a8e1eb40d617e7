"""Turn quantile forecasts into rows of ``issued.forecast``, ready to be chained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.issued.counting import desk_day
from cbi_pipeline.market import next_sessions
from cbi_pipeline.warehouse import Store
from data_contracts.core import UTC_MICROSECONDS
from data_contracts.issued import FORECAST

# Commodity, origin session, sessions ahead -> the session forecast, from the market calendar.
TargetSession = Callable[[str, date, int], date]

# Everything a row says that the chain does not add itself.
UNCHAINED = [name for name in FORECAST.dtypes if name not in ("sequence", "prev_hash", "row_hash")]
ORDER = ["track", "as_of", "commodity", "horizon", "model_version", "quantile"]
_GROUP = ["as_of", "commodity", "horizon", "model_version"]
_STATED = [*_GROUP, "quantile", "origin_session", "origin_price", "value", "up", "volatility"]


def from_model(
    q_NHQ: np.ndarray,
    up_NH: np.ndarray,
    vol_NH: np.ndarray,
    *,
    origins: pl.DataFrame,
    levels: Sequence[float],
    steps: Mapping[str, Sequence[int]],
    model_version: str,
    as_of: datetime,
) -> pl.DataFrame:
    """Long frame of a model's forecasts for N panel rows.

    Args:
        q_NHQ: log returns at each level, N origins x H horizons x Q levels.
        up_NH: probability that the return is positive.
        vol_NH: standard deviation of the log return.
        origins: columns commodity, session, price; row n belongs to ``q_NHQ[n]``.
        levels: the Q quantile levels.
        steps: sessions ahead of each of the H horizons, per commodity.
        model_version: what forecasts.
        as_of: what was known.

    Raises:
        ValueError: the shapes disagree.
    """
    expected = (origins.height, q_NHQ.shape[1] if q_NHQ.ndim == 3 else 0, len(levels))
    if q_NHQ.shape != expected or up_NH.shape != expected[:2] or vol_NH.shape != expected[:2]:
        raise ValueError(
            f"forecasts are {q_NHQ.shape}, up {up_NH.shape}, volatility {vol_NH.shape}; "
            f"{origins.height} origins and {len(levels)} levels need {expected}"
        )
    frames = [
        _forecast_rows(q_NHQ[n], up_NH[n], vol_NH[n], origin, levels, steps[origin["commodity"]])
        for n, origin in enumerate(origins.iter_rows(named=True))
    ]
    stated = pl.concat(frames) if frames else _nothing()
    return stated.with_columns(
        as_of=pl.lit(as_of, UTC_MICROSECONDS), model_version=pl.lit(model_version)
    ).select(_STATED)


def _forecast_rows(
    q_HQ: np.ndarray,
    up_H: np.ndarray,
    vol_H: np.ndarray,
    origin: Mapping[str, object],
    levels: Sequence[float],
    steps: Sequence[int],
) -> pl.DataFrame:
    count = len(levels)
    return pl.DataFrame(
        {
            "commodity": [origin["commodity"]] * q_HQ.size,
            "horizon": np.repeat(np.asarray(steps, dtype=np.int64), count),
            "quantile": np.tile(np.asarray(levels, dtype=np.float64), len(steps)),
            "origin_session": [origin["session"]] * q_HQ.size,
            "origin_price": [origin["price"]] * q_HQ.size,
            "value": q_HQ.reshape(-1).astype(np.float64),
            "up": np.repeat(up_H.astype(np.float64), count),
            "volatility": np.repeat(vol_H.astype(np.float64), count),
        }
    )


def _nothing() -> pl.DataFrame:
    return FORECAST.empty().select(set(_STATED) - {"as_of", "model_version"})


def from_walk_forward(forecasts: pl.DataFrame, recipe: str) -> pl.DataFrame:
    """Long frame of one recipe's walk-forward forecasts, for the replay track.

    The speaker is the fold model, ``<recipe>@<fold>``. From a price at or below zero no log return
    starts, so such an origin has no forecast.

    Args:
        forecasts: rows of evaluation.forecast.
        recipe: recipe to replay.
    """
    return (
        forecasts.filter(pl.col("recipe") == recipe, pl.col("origin_price") > 0)
        .with_columns(model_version=pl.format("{}@{}", "recipe", "fold"))
        .select(_STATED)
    )


def calendar_target(catalogue: Catalogue) -> TargetSession:
    """Target sessions by each commodity's calendar, alike for live and past forecasts."""

    def target(commodity: str, origin: date, sessions: int) -> date:
        return next_sessions(catalogue.commodity(commodity).calendar, origin, sessions)[-1]

    return target


def rows(
    stated: pl.DataFrame,
    *,
    track: str,
    issued_at: datetime,
    state: str | Mapping[datetime, str],
    target_session: TargetSession,
    previous: pl.DataFrame,
) -> pl.DataFrame:
    """Rows of issued.forecast without their links, in the order they are chained.

    The price of a level is ``origin_price * exp(value)``. A row is carried when its origin is
    that of the last forecast of an earlier desk day, on the same track and commodity.

    Args:
        stated: frame of :func:`from_model` or :func:`from_walk_forward`.
        track: ``live`` or ``replay``.
        issued_at: now, on the wall clock.
        state: state of the data behind it, or one per as-of instant.
        target_session: the market calendar, e.g. :func:`calendar_target`.
        previous: what was issued already, as :func:`read_origins` gives it.

    Raises:
        ValueError: a figure is not finite, levels cross, or an origin price is not positive.
    """
    _check(stated)
    framed = stated.with_columns(
        track=pl.lit(track),
        price=pl.col("origin_price") * pl.col("value").exp(),
        issued_at=pl.lit(issued_at, UTC_MICROSECONDS),
        state=_states(state),
    )
    dated = framed.join(_targets(stated, target_session), on=_target_key(), how="left")
    origins = _mark_carried(dated, previous.filter(pl.col("track") == track))
    return (
        dated.join(origins, on=["commodity", "as_of"], how="left")
        .select([pl.col(name).cast(FORECAST.dtypes[name]) for name in UNCHAINED])
        .sort(ORDER)
    )


def read_origins(store: Store) -> pl.DataFrame:
    """From which origins each commodity was forecast at an instant; few rows of a long ledger.

    Returns:
        track, commodity, as_of and origin_session, each combination once.
    """
    return store.query(
        "SELECT DISTINCT track, commodity, as_of, origin_session FROM issued.forecast ORDER BY ALL"
    )


def _states(state: str | Mapping[datetime, str]) -> pl.Expr:
    if isinstance(state, str):
        return pl.lit(state)
    return pl.col("as_of").replace_strict(dict(state), return_dtype=pl.String)


def _target_key() -> list[str]:
    return ["commodity", "origin_session", "horizon"]


def _targets(stated: pl.DataFrame, target_session: TargetSession) -> pl.DataFrame:
    wanted = stated.select(_target_key()).unique(maintain_order=True)
    sessions = [target_session(*row) for row in wanted.iter_rows()]
    return wanted.with_columns(target_session=pl.Series(sessions, dtype=pl.Date))


def _mark_carried(fresh: pl.DataFrame, issued: pl.DataFrame) -> pl.DataFrame:
    """Whether each commodity's newest origin is, at an instant, that of the desk's day before."""
    columns = ["commodity", "as_of", "origin_session"]
    stated = (
        pl.concat([issued.select(columns), fresh.select(columns)])
        .group_by("commodity", "as_of")
        .agg(pl.col("origin_session").max())
        .sort("commodity", "as_of")
        .with_columns(day=desk_day(pl.col("as_of")))
    )
    before = (
        stated.unique(["commodity", "day"], keep="last", maintain_order=True)
        .with_columns(before=pl.col("origin_session").shift().over("commodity"))
        .select("commodity", "day", "before")
    )
    return stated.join(before, on=["commodity", "day"]).select(
        "commodity",
        "as_of",
        carried=(pl.col("origin_session") == pl.col("before")).fill_null(value=False),
    )


def _check(stated: pl.DataFrame) -> None:
    figures = ["origin_price", "value", "up", "volatility"]
    broken = stated.filter(~pl.all_horizontal(pl.col(figures).is_finite().fill_null(value=False)))
    if broken.height:
        raise ValueError(f"{broken.height} forecasts are not finite, first: {broken.row(0)}")
    below = stated.filter(pl.col("origin_price") <= 0)
    if below.height:
        raise ValueError(f"a log return needs a positive origin price, got: {below.row(0)}")
    crossed = (
        stated.sort([*_GROUP, "origin_session", "quantile"])
        .group_by([*_GROUP, "origin_session"], maintain_order=True)
        .agg((pl.col("value").diff() < 0).any().alias("crossed"))
        .filter("crossed")
    )
    if crossed.height:
        raise ValueError(f"quantiles cross in {crossed.height} forecasts, first: {crossed.row(0)}")
