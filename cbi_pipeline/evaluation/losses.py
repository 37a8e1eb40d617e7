"""One row per forecast with everything that is ever summed: all scores and tests start here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.interpolate import CubicSpline

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.evaluation.pit import mark_tenths
from cbi_pipeline.forecasting.calibration import find_medians
from cbi_pipeline.forecasting.models.recipe import DEFAULT_LEVELS

Floats = npt.NDArray[np.float64]

DECILES = tuple(round(0.1 * step, 1) for step in range(1, 10))
INTERVALS: Mapping[int, tuple[float, float]] = {50: (0.25, 0.75), 80: (0.1, 0.9), 90: (0.05, 0.95)}
NEEDED_LEVELS = tuple(sorted({*DECILES, *(end for ends in INTERVALS.values() for end in ends)}))

# Below this share of the origin price a percentage error says nothing (prices near or under zero).
SMALLEST_PRICE_SHARE = 0.1
# Closer to one half than this, `up` calls no direction.
NO_CALL = 1e-6
# Share of the price that entering and leaving a position costs, for the after-cost figure.
ROUND_TRIP_COST = 0.001

# Levels come from arithmetic; to so many digits equal ones are equal.
_DIGITS = 9
_CELL = ["commodity", "horizon", "origin_session"]


def losses(forecasts: pl.DataFrame, targets: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Losses of every forecast whose target is known.

    Recipes may differ in their origins, where one sits out; `groups.select_common` leaves the same.
    They may differ in their levels too: all are scored at those that every one of them has.

    Args:
        forecasts: rows of ``evaluation.forecast``.
        targets: rows of ``features.target``; the newest version of each target is scored, and a
            withdrawn one is not.
        catalogue: names the horizon of each number of sessions.

    Returns:
        One row per recipe, commodity, horizon label (the shortest first) and origin, sorted so,
        with ``week`` (Monday of the forecast's instant), ``as_of``, ``known_at`` (first release of
        the target), the return ``y``, ``usual_move`` (mean absolute return over targets known
        before the first origin) and the columns that the scores sum, without those of bands and
        tenths whose ends are no shared levels. Losses are in units of log return.

    Raises:
        ValueError: no level is shared, or a horizon is not in the catalogue.
    """
    per_recipe = forecasts.group_by("recipe").agg(pl.col("quantile").unique())
    levels = share_levels(per_recipe["quantile"].to_list())
    if not levels:
        raise ValueError("the forecasts share no level at which they could be scored")
    wide, outcomes = _gather_levels(forecasts, levels), _newest_outcomes(targets)
    usual = _usual_move(wide, outcomes)
    wide = wide.join(outcomes, on=_CELL).join(usual, on=["commodity", "horizon"], how="left")
    wide = _add_labels(wide.sort("recipe", *_CELL), catalogue)
    columns = _columns(wide, _matrix(wide, len(levels)), np.array(levels))
    kept = wide.select(
        "recipe", *_CELL, "as_of", "known_at", "y", "usual_move",
        week=pl.col("as_of").dt.truncate("1w").dt.date(),
    )  # fmt: skip
    return kept.with_columns(pl.Series(name, values) for name, values in columns.items())


def pinball(values: Floats, levels: Floats, y: Floats) -> Floats:
    """Pinball loss (Koenker and Bassett, 1978) of quantiles [N, Q] at levels [Q]; shape [N, Q]."""
    error = y[:, None] - values
    return np.maximum(levels * error, (levels - 1.0) * error)


def crps(values: Floats, levels: Floats, y: Floats) -> Floats:
    """Continuous ranked probability score of quantiles [N, Q] at levels [Q]; shape [N].

    Twice the integral of the pinball loss over all levels (Gneiting and Ranjan, 2011), by the
    quadrature of `weigh_levels`. Unit: that of the returns.
    """
    # Row by row: in a matrix product the last bits of a row depend on how many there are.
    weighed: Floats = pinball(values, levels, y) * weigh_levels(tuple(levels.tolist()))
    scores: Floats = 2.0 * weighed.sum(axis=1)
    return scores


def tail_crps(values: Floats, levels: Floats, y: Floats) -> Floats:
    """As `crps`, with each level weighed by (2 tau - 1)^2, so that the tails decide; shape [N].

    Source: Gneiting and Ranjan, 2011.
    """
    weights = (2.0 * levels - 1.0) ** 2 * weigh_levels(tuple(levels.tolist()))
    return 2.0 * pinball(values, levels, y) @ weights


@cache
def weigh_levels(levels: tuple[float, ...]) -> Floats:
    """Weights [Q] that turn losses at some levels into their integral over (0, 1).

    That of the natural cubic spline through the losses. The tail rule: it ends in zero at the
    levels 0 and 1. The expected score of a perfect normal forecast comes out right to 3e-6 at
    `DEFAULT_LEVELS`, and 0.11 % low without their outermost two on each side. Where few or
    uneven levels would give a weight that is not positive, which is no proper score, it is the
    integral of straight lines.
    """
    grid = np.array([0.0, *levels, 1.0])
    integrals = [CubicSpline(grid, unit, bc_type="natural") for unit in np.eye(len(grid))]
    weights = np.array([float(integral.integrate(0.0, 1.0)) for integral in integrals])[1:-1]
    return weights if weights.min() > 0.0 else (grid[2:] - grid[:-2]) / 2.0


def share_levels(each: Iterable[Iterable[float]]) -> tuple[float, ...]:
    """The levels that several forecasts are compared at, increasing.

    They are those of the product that each of the forecasts has; levels of a recipe's own do not
    enter, so that the weights of `weigh_levels` stay positive and the score proper.
    """
    rounded = [{round(level, _DIGITS) for level in levels} for levels in each]
    return tuple(level for level in DEFAULT_LEVELS if all(level in own for own in rounded))


def is_apart(levels: Iterable[float]) -> bool:
    """Whether a recipe of these levels stands apart: it lacks some of `NEEDED_LEVELS`."""
    return not set(NEEDED_LEVELS) <= set(share_levels([levels]))


def find_apart(forecasts: pl.DataFrame) -> dict[str, int]:
    """The recipes that stand apart, and how many levels each has.

    Args:
        forecasts: rows of ``evaluation.forecast``.
    """
    levels = forecasts.group_by("recipe", maintain_order=True).agg(pl.col("quantile").unique())
    return {name: len(own) for name, own in levels.iter_rows() if is_apart(own)}


def interval_score(low: Floats, high: Floats, y: Floats, share: float) -> Floats:
    """Interval score of a central interval holding ``share`` (Gneiting and Raftery, 2007); [N]."""
    alpha = 1.0 - share
    outside = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return (high - low) + 2.0 / alpha * outside


def _gather_levels(forecasts: pl.DataFrame, levels: tuple[float, ...]) -> pl.DataFrame:
    shared = forecasts.filter(pl.col("quantile").round(_DIGITS).is_in(levels))
    return shared.group_by("recipe", *_CELL).agg(
        values=pl.col("value").sort_by("quantile"),
        up=pl.col("up").first(),
        volatility=pl.col("volatility").first(),
        as_of=pl.col("as_of").first(),
        origin_price=pl.col("origin_price").first(),
    )


def _newest_outcomes(targets: pl.DataFrame) -> pl.DataFrame:
    return (
        targets.sort("commodity", "horizon", "session", "version")
        .group_by(
            "commodity",
            "horizon",
            pl.col("session").alias("origin_session"),
            maintain_order=True,
        )
        .agg(
            y=pl.col("value").last(),
            target_price=pl.col("price").last(),
            known_at=pl.col("available_at").first(),
        )
        .drop_nulls("y")
    )


def _usual_move(wide: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    first = wide.group_by("commodity", "horizon").agg(first=pl.col("as_of").min())
    earlier = outcomes.join(first, on=["commodity", "horizon"]).filter(
        pl.col("known_at") <= pl.col("first")
    )
    # The last bits of a mean depend on the order of what is added.
    ordered = earlier.sort("commodity", "horizon", "origin_session")
    return ordered.group_by("commodity", "horizon", maintain_order=True).agg(
        usual_move=pl.col("y").abs().mean()
    )


def _add_labels(wide: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    names = pl.DataFrame(
        [
            {"commodity": commodity.id, "horizon": steps, "label": label}
            for commodity in catalogue.commodities
            for label, steps in commodity.horizons.items()
        ],
        schema={"commodity": pl.String, "horizon": pl.Int64, "label": pl.String},
    )
    labelled = wide.join(names, on=["commodity", "horizon"], how="left", maintain_order="left")
    unknown = labelled.filter(pl.col("label").is_null()).select("commodity", "horizon").unique()
    if unknown.height:
        raise ValueError(f"forecasts of horizons not in the catalogue: {unknown.rows()}")
    return labelled.drop("horizon").rename({"label": "horizon"})


def _matrix(wide: pl.DataFrame, levels: int) -> Floats:
    if wide.filter(pl.col("values").list.len() != levels).height:
        raise ValueError("all forecasts of a recipe need the same quantile levels")
    return wide["values"].explode().to_numpy().astype(np.float64).reshape(wide.height, levels)


def _columns(wide: pl.DataFrame, quantiles: Floats, levels: Floats) -> dict[str, Floats]:
    y = wide["y"].to_numpy().astype(np.float64)
    median = _read_medians(quantiles, levels)
    return {
        "pinball": pinball(quantiles, levels, y).mean(axis=1),
        "crps": crps(quantiles, levels, y),
        "tail_crps": tail_crps(quantiles, levels, y),
        **_interval_columns(quantiles, levels, y),
        **_tenth_columns(quantiles, levels, y),
        **_point_columns(median, y),
        **_direction_columns(wide["up"].to_numpy(), y),
        **_volatility_columns(wide["volatility"].to_numpy(), y),
        **_price_columns(wide, median),
    }


def _interval_columns(quantiles: Floats, levels: Floats, y: Floats) -> dict[str, Floats]:
    columns = {"spread": quantiles[:, -1] - quantiles[:, 0]}
    for percent, ends in INTERVALS.items():
        if not _has_levels(levels, ends):
            continue
        low, high = (quantiles[:, column_of(levels, level)] for level in ends)
        columns[f"covered_{percent}"] = ((low <= y) & (y <= high)).astype(np.float64)
        columns[f"width_{percent}"] = high - low
        columns[f"interval_{percent}"] = interval_score(low, high, y, percent / 100.0)
    return columns | {"spread": columns.get("width_80", columns["spread"])}


def _tenth_columns(quantiles: Floats, levels: Floats, y: Floats) -> dict[str, Floats]:
    if not _has_levels(levels, DECILES):
        return {}
    return mark_tenths(quantiles[:, [column_of(levels, level) for level in DECILES]], y)


def _read_medians(quantiles: Floats, levels: Floats) -> Floats:
    if _has_levels(levels, [0.5]):
        return quantiles[:, column_of(levels, 0.5)]
    return find_medians(quantiles, levels)


def _has_levels(levels: Floats, asked: Iterable[float]) -> bool:
    return all(np.isclose(levels, level, rtol=0.0, atol=1e-9).any() for level in asked)


def _point_columns(median: Floats, y: Floats) -> dict[str, Floats]:
    return {
        "error": y - median,
        "absolute": np.abs(y - median),
        "squared": (y - median) ** 2,
        "absolute_return": np.abs(y),
        "squared_return": y**2,
    }


def _direction_columns(up: Floats, y: Floats) -> dict[str, Floats]:
    called = (np.abs(up - 0.5) > NO_CALL) & (y != 0.0)
    return {
        "up": up,
        "rose": (y > 0.0).astype(np.float64),
        "called": called.astype(np.float64),
        "net": np.where(called, np.sign(up - 0.5) * y - ROUND_TRIP_COST, 0.0),
        "hit": (called & ((up > 0.5) == (y > 0.0))).astype(np.float64),
        "brier": (up - (y > 0.0)) ** 2,
    }


def _volatility_columns(volatility: Floats, y: Floats) -> dict[str, Floats]:
    # Patton's (2011) robust form up to a constant: defined for a return of exactly zero.
    usable = volatility > 0.0
    variance = np.where(usable, volatility, 1.0) ** 2
    return {
        "qlike": np.where(usable, np.log(variance) + y**2 / variance, 0.0),
        "qlike_count": usable.astype(np.float64),
    }


def _price_columns(wide: pl.DataFrame, median: Floats) -> dict[str, Floats]:
    origin = wide["origin_price"].to_numpy().astype(np.float64)
    target = wide["target_price"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    usable = (origin > 0.0) & (target > SMALLEST_PRICE_SHARE * np.abs(origin))
    safe = np.where(usable, target, 1.0)
    return {
        "percentage": np.where(usable, np.abs(origin * np.exp(median) - safe) / safe, 0.0),
        "percentage_count": usable.astype(np.float64),
    }


def column_of(levels: Floats, level: float) -> int:
    """Index of a quantile level.

    Raises:
        ValueError: the level is not among them.
    """
    columns = np.flatnonzero(np.isclose(levels, level, rtol=0.0, atol=1e-9))
    if not columns.size:
        raise ValueError(f"the scores need quantile level {level}; add it to the recipe's levels")
    return int(columns[0])
