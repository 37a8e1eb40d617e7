"""Conformal calibration: intervals adjusted by how past ones did, and the levels it refuses."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from cbi_pipeline.evaluation.comparison import cosine_test
from cbi_pipeline.evaluation.groups import Group, groups
from data_contracts.evaluation import CALIBRATED, FORECAST

Floats = npt.NDArray[np.float64]

# Step of the adaptive miss rate: fifty misses in a row move it by the whole unit.
RATE = 0.02
# What the 90 % band asks for (1 / 0.1 - 1). All bands of a cell rest on the same outcomes, so none
# is moved on fewer; with fewer, calibrated intervals lose more sharpness than they gain coverage.
FEWEST_INDEPENDENT = 9
BAND_CONFIDENCE = 0.95
# Where the coverage of calibrated 80 % bands lies over all markets and horizons together.
POOLED_80 = (0.78, 0.82)

_KEY = ["recipe", "commodity", "horizon"]
_BAND = {
    **dict.fromkeys(("commodity", "horizon"), pl.String),
    **dict.fromkeys(("coverage", "low", "high"), pl.Float64),
    "inside": pl.Boolean,
}


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
    certifies a level its interval stays as forecast; overlapping forecasts share their news, so
    only those made after the outcome of the one before count towards that. The median, `up` and
    volatility stay.

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
    frame = pl.concat(parts).with_columns(recipe=pl.col("recipe") + CALIBRATED)
    return FORECAST.validate(frame.select(list(FORECAST.dtypes)))


def calibrate_newest(
    newest: pl.DataFrame, past: pl.DataFrame, targets: pl.DataFrame
) -> pl.DataFrame:
    """Forecasts of now, calibrated on the walk-forward record of the recipe that made them.

    Args:
        newest: rows of ``evaluation.forecast``, one origin per commodity.
        past: rows of ``evaluation.forecast`` of the same recipe; of each commodity, those from
            origins before its newest one are used.
        targets: ``features.target`` rows public by now.

    Returns:
        ``newest`` with calibrated values, under the recipe's own name.
    """
    origin = pl.col("origin_session")
    started = newest.group_by("commodity").agg(now=origin.max())
    before = past.join(started, on="commodity").filter(origin < pl.col("now")).drop("now")
    together = pl.concat([before, newest]).with_columns(recipe=pl.lit("newest"))
    said = calibrate(together, targets).drop("recipe", "evaluation_id", "fold")
    key = ["commodity", "origin_session", "horizon", "quantile"]
    named = newest.select("recipe", "evaluation_id", "fold", *key)
    return named.join(said, on=key, maintain_order="left").select(newest.columns)


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
        found = coverage_band(one, recipe, percent)
        if found is not None:
            coverage, low, high = found
            rows.append((one.commodity, one.horizon, *found, low <= coverage <= high))
    return pl.DataFrame(rows, schema=_BAND, orient="row")


def coverage_band(one: Group, recipe: str, percent: int) -> tuple[float, float, float] | None:
    """Coverage of a group and the band it should lie in; None when the weeks are too few."""
    if one.weeks <= 2 * (one.lags + 1):
        return None
    hits, counts = one.sums(recipe, f"covered_{percent}"), one.sums(recipe, None)
    coverage = float(hits.sum() / counts.sum())
    error = cosine_test((hits - coverage * counts) / counts.mean(), one.lags)
    reach = float(stats.t.ppf((1.0 + BAND_CONFIDENCE) / 2.0, error.degrees)) * error.error
    return coverage, max(0.0, percent / 100 - reach), min(1.0, percent / 100 + reach)


@dataclass
class _Pair:
    """One central interval as it adapts."""

    low: int
    high: int
    alpha: float
    asked: float
    scores: list[float] = field(default_factory=list)

    def margin(self, independent: int) -> float | None:
        """The margin now, None while the independent past does not certify the level itself."""
        if independent < max(FEWEST_INDEPENDENT, 1.0 / self.alpha - 1.0) - 1e-9:
            return None
        least = 1.0 / (len(self.scores) + 1)
        return margin(np.array(self.scores), float(np.clip(self.asked, least, 1.0)))

    def learn(self, score: float, *, missed: bool, rate: float) -> None:
        """Take in a return that became known."""
        self.scores.append(score)
        self.asked += rate * (self.alpha - missed)


@dataclass
class _Seen:
    """Past forecasts that share no news: each made after the outcome of the one before."""

    independent: int = 0
    until: int = 0

    def take(self, made: int, known: int) -> None:
        """Take in a forecast by the instants it was made and its outcome became public."""
        if made >= self.until:
            self.independent, self.until = self.independent + 1, known


def _one(part: pl.DataFrame, rate: float) -> pl.DataFrame:
    """Calibrate the forecasts of one recipe, commodity and horizon, in order of their instants."""
    levels = part["quantile"].unique().sort().to_numpy()
    count = len(levels)
    q = part["value"].to_numpy().reshape(-1, count)
    head = part.gather_every(count)
    y, scale = head["y"].to_numpy(), head["volatility"].to_numpy()
    made = head["as_of"].to_physical().to_numpy()
    known = head["known_at"].to_physical().to_list()
    pairs, seen = _pairs(levels), _Seen()
    result = np.empty_like(q)
    waiting: list[tuple[int, int]] = []
    for n in range(len(q)):
        while waiting and waiting[0][0] <= made[n]:
            public, past = heapq.heappop(waiting)
            seen.take(int(made[past]), public)
            _learn(pairs, past, q, result, y, scale, rate)
        result[n] = _adjusted(pairs, q[n], scale[n], levels, seen.independent)
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


def _adjusted(
    pairs: list[_Pair], q: Floats, scale: float, levels: Floats, independent: int
) -> Floats:
    adjusted = q.copy()
    middle = float(np.interp(0.5, levels, q))
    for pair in pairs:
        found = pair.margin(independent)
        if found is not None:
            adjusted[pair.low] = min(q[pair.low] - found * scale, middle)
            adjusted[pair.high] = max(q[pair.high] + found * scale, middle)
    # Margins of neighbouring levels differ, so intervals may swap ends; sorting never hurts
    # the pinball loss (Chernozhukov, Fernandez-Val and Galichon, 2010).
    ordered: Floats = np.sort(adjusted)
    return ordered
