"""Conformal calibration: intervals adjusted by how past ones did, and the levels it refuses."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from cbi_pipeline.evaluation.comparison import cosine_test
from cbi_pipeline.evaluation.groups import groups
from data_contracts.evaluation import FORECAST

Floats = npt.NDArray[np.float64]

SUFFIX = "+conformal"
# Step of the adaptive miss rate: fifty misses in a row move it by the whole unit.
RATE = 0.02
BAND_CONFIDENCE = 0.95

_KEY = ["recipe", "commodity", "horizon"]


class Uncertifiable(ValueError):
    """Too few past forecasts to promise this miss rate."""


def margin(scores: Floats, alpha: float) -> float:
    """The conformal margin: what a fresh score exceeds with probability at most ``alpha``.

    The ceil((n + 1) (1 - alpha))-th smallest of n exchangeable scores (Vovk, Gammerman and
    Shafer, 2005).

    Raises:
        Uncertifiable: n < 1 / alpha - 1, when no score is large enough for that promise.
    """
    rank = int(np.ceil((len(scores) + 1) * (1.0 - alpha) - 1e-9))
    if rank > len(scores):
        raise Uncertifiable(
            f"{len(scores)} past forecasts cannot certify a miss rate of {alpha:.3g}; "
            f"{int(np.ceil(1.0 / alpha - 1.0))} are needed"
        )
    return float(np.sort(scores)[max(rank, 1) - 1])


def calibrate(
    forecasts: pl.DataFrame, targets: pl.DataFrame, *, rate: float = RATE
) -> pl.DataFrame:
    """The same forecasts with every central interval calibrated on its own past.

    Per recipe, commodity and horizon, and for each pair of levels (tau, 1 - tau): the score of a
    past forecast is how far the return fell outside the interval, in units of the forecast's
    volatility (conformalised quantile regression; Romano, Patterson and Candes, 2019). At each
    origin the scores known at its instant give the margin. The miss rate asked for adapts to the
    misses seen (Gibbs and Candes, 2021), so coverage comes back after a break. Until the past
    certifies a level its interval stays as forecast. The median, `up` and volatility stay.

    Args:
        forecasts: ``evaluation.forecast`` rows, with or without known targets.
        targets: ``features.target`` rows.
        rate: step of the adaptive miss rate.

    Returns:
        ``evaluation.forecast`` rows whose recipe ends in ``+conformal``.
    """
    first = targets.sort("version").group_by("commodity", "session", "horizon").agg(
        y=pl.col("value").last(), known_at=pl.col("available_at").first()
    )  # fmt: skip
    known = first.rename({"session": "origin_session"}).drop_nulls("y")
    joined = forecasts.join(known, on=["commodity", "origin_session", "horizon"], how="left")
    ordered = joined.sort(*_KEY, "as_of", "origin_session", "quantile")
    parts = [_one(part, rate) for part in ordered.partition_by(_KEY, maintain_order=True)]
    if not parts:
        return FORECAST.empty()
    frame = pl.concat(parts).with_columns(recipe=pl.col("recipe") + SUFFIX)
    return FORECAST.validate(frame.select(list(FORECAST.dtypes)))


def coverage_bands(losses: pl.DataFrame, recipe: str, percent: int = 80) -> pl.DataFrame:
    """Coverage of each cell, margin and the whole, and the band where it should lie by chance.

    The band is the nominal share plus and minus a 95 % t interval whose variance allows for
    overlap. Groups with too few weeks have no row.

    Returns:
        Columns commodity, horizon, coverage, low, high, inside.
    """
    rows = []
    chosen = losses.filter(pl.col("recipe") == recipe)
    for one in groups(chosen):
        if one.weeks <= 2 * (one.lags + 1):
            continue
        hits, counts = one.sums(recipe, f"covered_{percent}"), one.sums(recipe, None)
        coverage = float(hits.sum() / counts.sum())
        error = cosine_test((hits - coverage * counts) / counts.mean(), one.lags)
        reach = float(stats.t.ppf((1.0 + BAND_CONFIDENCE) / 2.0, error.degrees)) * error.error
        low, high = max(0.0, percent / 100 - reach), min(1.0, percent / 100 + reach)
        rows.append((one.commodity, one.horizon, coverage, low, high, low <= coverage <= high))
    names = ["commodity", "horizon", "coverage", "low", "high", "inside"]
    return pl.DataFrame(rows, schema=names, orient="row")


@dataclass
class _Pair:
    """One central interval as it adapts."""

    low: int
    high: int
    alpha: float
    asked: float
    scores: list[float] = field(default_factory=list)

    def margin(self) -> float | None:
        """The margin now, None while the past does not certify the level itself."""
        if len(self.scores) < 1.0 / self.alpha - 1.0 - 1e-9:
            return None
        least = 1.0 / (len(self.scores) + 1)
        return margin(np.array(self.scores), float(np.clip(self.asked, least, 1.0)))

    def learn(self, score: float, *, missed: bool, rate: float) -> None:
        """Take in a return that became known."""
        self.scores.append(score)
        self.asked += rate * (self.alpha - missed)


def _one(part: pl.DataFrame, rate: float) -> pl.DataFrame:
    """Calibrate the forecasts of one recipe, commodity and horizon, in order of their instants."""
    levels = part["quantile"].unique().sort().to_numpy()
    count = len(levels)
    q = part["value"].to_numpy().reshape(-1, count)
    head = part.gather_every(count)
    y, scale = head["y"].to_numpy(), head["volatility"].to_numpy()
    made = head["as_of"].to_physical().to_numpy()
    known = head["known_at"].to_physical().to_list()
    pairs = _pairs(levels)
    result = np.empty_like(q)
    waiting: list[tuple[int, int]] = []
    for n in range(len(q)):
        while waiting and waiting[0][0] <= made[n]:
            _learn(pairs, heapq.heappop(waiting)[1], q, result, y, scale, rate)
        result[n] = _adjusted(pairs, q[n], scale[n], levels)
        if known[n] is not None:
            heapq.heappush(waiting, (known[n], n))
    return part.with_columns(value=pl.Series(result.ravel()))


def _pairs(levels: Floats) -> list[_Pair]:
    pairs = []
    for low, level in enumerate(levels):
        mirror = np.flatnonzero(np.isclose(levels, 1.0 - level, rtol=0.0, atol=1e-9))
        if level < 0.5 and mirror.size:
            alpha = float(2.0 * level)
            pairs.append(_Pair(low, int(mirror[0]), alpha, alpha))
    return pairs


def _learn(
    pairs: list[_Pair],
    n: int,
    q: Floats,
    result: Floats,
    y: Floats,
    scale: Floats,
    rate: float,
) -> None:
    for pair in pairs:
        outside = max(q[n, pair.low] - y[n], y[n] - q[n, pair.high])
        missed = not result[n, pair.low] <= y[n] <= result[n, pair.high]
        pair.learn(outside / scale[n], missed=missed, rate=rate)


def _adjusted(pairs: list[_Pair], q: Floats, scale: float, levels: Floats) -> Floats:
    adjusted = q.copy()
    middle = float(np.interp(0.5, levels, q))
    for pair in pairs:
        found = pair.margin()
        if found is not None:
            adjusted[pair.low] = min(q[pair.low] - found * scale, middle)
            adjusted[pair.high] = max(q[pair.high] + found * scale, middle)
    # Margins of neighbouring levels differ, so intervals may swap ends; sorting never hurts
    # the pinball loss (Chernozhukov, Fernandez-Val and Galichon, 2010).
    ordered: Floats = np.sort(adjusted)
    return ordered
