"""Conformal calibration: intervals adjusted by how past ones did, and the levels it refuses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from cbi_pipeline.evaluation.comparison import cosine_test
from cbi_pipeline.evaluation.groups import Group, groups
from data_contracts.evaluation import CALIBRATED, FORECAST

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Step of the adaptive miss rate: fifty misses in a row move it by the whole unit.
RATE = 0.02
# What the 90 % band asks for (1 / 0.1 - 1). All bands of a cell rest on the same outcomes, so none
# is moved on fewer; with fewer, calibrated intervals lose more sharpness than they gain coverage.
FEWEST_INDEPENDENT = 9
BAND_CONFIDENCE = 0.95
# Where the coverage of calibrated 80 % bands lies over all markets and horizons together.
POOLED_80 = (0.78, 0.82)

_KEY = ["recipe", "commodity", "horizon"]
_OUTCOME = ["commodity", "origin_session", "horizon"]
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

    Every origin counts each past outcome in its newest version public at the origin's own
    instant, as every other as-of read does: from a correction on, the corrected return gives the
    score and the miss, and a withdrawn return gives neither. Bands of earlier origins stay as they
    were said, and misses are counted against those. So a band is a function of what was public at
    its instant alone, and the same whether it is made on the day or replayed later.

    Args:
        forecasts: ``evaluation.forecast`` rows, with or without known targets.
        targets: ``features.target`` rows, all versions; those public after a forecast's instant
            do not enter it.
        rate: step of the adaptive miss rate.

    Returns:
        ``evaluation.forecast`` rows whose recipe ends in ``+conformal``.
    """
    versions = targets.select(
        "commodity", "horizon", "version", "available_at",
        origin_session="session", y="value",
    )  # fmt: skip
    ordered = forecasts.sort(*_KEY, "as_of", "origin_session", "quantile")
    parts = [
        _calibrate_part(part, versions, rate)
        for part in ordered.partition_by(_KEY, maintain_order=True)
    ]
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
        targets: ``features.target`` rows, all versions; those public later do not enter.

    Returns:
        ``newest`` with calibrated values, under the recipe's own name.
    """
    origin = pl.col("origin_session")
    started = newest.group_by("commodity").agg(now=origin.max())
    before = past.join(started, on="commodity").filter(origin < pl.col("now")).drop("now")
    together = pl.concat([before, newest]).with_columns(recipe=pl.lit("newest"))
    calibrated = calibrate(together, targets).drop("recipe", "evaluation_id", "fold")
    key = ["commodity", "origin_session", "horizon", "quantile"]
    named = newest.select("recipe", "evaluation_id", "fold", *key)
    return named.join(calibrated, on=key, maintain_order="left").select(newest.columns)


def coverage_bands(losses: pl.DataFrame, recipe: str, percent: int = 80) -> pl.DataFrame:
    """Coverage of each cell, margin and the whole, and the band where it should lie by chance.

    The band is the nominal share plus and minus a 95 % t interval whose variance allows for
    overlap. Groups with too few weeks have no row.

    Returns:
        Columns commodity, horizon, coverage, low, high, inside.
    """
    rows = []
    chosen = losses.filter(pl.col("recipe") == recipe)
    for group in groups(chosen):
        band = coverage_band(group, recipe, percent)
        if band is not None:
            coverage, low, high = band
            rows.append((group.commodity, group.horizon, *band, low <= coverage <= high))
    return pl.DataFrame(rows, schema=_BAND, orient="row")


def coverage_band(group: Group, recipe: str, percent: int) -> tuple[float, float, float] | None:
    """Coverage of a group and the band it should lie in; None when the weeks are too few."""
    if group.weeks <= 2 * (group.lags + 1):
        return None
    hits, counts = group.sums(recipe, f"covered_{percent}"), group.sums(recipe, None)
    coverage = float(hits.sum() / counts.sum())
    error = cosine_test((hits - coverage * counts) / counts.mean(), group.lags)
    reach = float(stats.t.ppf((1.0 + BAND_CONFIDENCE) / 2.0, error.degrees)) * error.error
    return coverage, max(0.0, percent / 100 - reach), min(1.0, percent / 100 + reach)


@dataclass(frozen=True, slots=True)
class _Pair:
    """One central interval: the columns of its ends and the miss rate it states."""

    low: int
    high: int
    alpha: float

    def margin(self, scores: Floats, missed: Bools, independent: int, rate: float) -> float | None:
        """The margin after these outcomes, None while they do not certify the level itself.

        Args:
            scores: [n] how far each return fell outside, in units of volatility.
            missed: [n] whether it fell outside the band that was said.
            independent: how many of the forecasts share no news.
            rate: step of the adaptive miss rate.
        """
        if independent < max(FEWEST_INDEPENDENT, 1.0 / self.alpha - 1.0) - 1e-9:
            return None
        steps = rate * (self.alpha - missed)
        # Added one after the other: the last bits of a sum depend on the order.
        asked = np.cumsum([self.alpha, *steps])[-1]
        least = 1.0 / (len(scores) + 1)
        return margin(scores, float(np.clip(asked, least, 1.0)))


@dataclass(frozen=True, slots=True, eq=False)
class _Outcomes:
    """Every version of the returns that followed N forecasts.

    Attributes:
        forecast: int64 [V], the forecast each version belongs to; sorted by version.
        public: int64 [V], when the version became public, microseconds UTC.
        value: float64 [V], NaN where the version withdraws the return.
        first: int64 [N], when a return first became public; void where none ever did.
        order: int64 [N], the forecasts by ``first``.
    """

    forecast: Ints
    public: Ints
    value: Floats
    first: Ints
    order: Ints

    @classmethod
    def of(cls, head: pl.DataFrame, versions: pl.DataFrame) -> _Outcomes:
        """The versions of the outcomes of forecasts, one line of ``head`` each."""
        numbered = head.select(_OUTCOME).with_row_index("n")
        joined = numbered.join(versions, on=_OUTCOME).sort("version", "n")
        forecast = joined["n"].cast(pl.Int64).to_numpy()
        public = joined["available_at"].dt.epoch("us").to_numpy()
        value = joined["y"].fill_null(float("nan")).to_numpy()
        valued = ~np.isnan(value)
        first = np.full(head.height, np.iinfo(np.int64).max)
        np.minimum.at(first, forecast[valued], public[valued])
        return cls(forecast, public, value, first, np.argsort(first, kind="stable"))

    def public_by(self, n: int, instant: int) -> tuple[Ints, Floats]:
        """Forecasts before the n-th whose return was known at an instant, and those returns.

        They come in order of first release. A correction changes what the return was, not when
        its news was out, so it does not make a forecast count as independent anew.
        """
        is_public = (self.public <= instant) & (self.forecast < n)
        y = np.full(n, np.nan)
        # Where a return has several versions the last one assigned stays, which is the newest.
        y[self.forecast[is_public]] = self.value[is_public]
        earlier = self.order[self.order < n]
        past = earlier[~np.isnan(y[earlier])]
        return past, y[past]


def _calibrate_part(part: pl.DataFrame, versions: pl.DataFrame, rate: float) -> pl.DataFrame:
    """Calibrate the forecasts of one recipe, commodity and horizon, in order of their instants."""
    levels = part["quantile"].unique().sort().to_numpy()
    count = len(levels)
    q = part["value"].to_numpy().reshape(-1, count)
    head = part.gather_every(count)
    scale = head["volatility"].to_numpy()
    made = head["as_of"].dt.epoch("us").to_numpy()
    outcomes, pairs = _Outcomes.of(head, versions), _pairs(levels)
    result = np.empty_like(q)
    for n in range(len(q)):
        past, y = outcomes.public_by(n, made[n])
        independent = _independent(made[past], outcomes.first[past])
        margins = [
            pair.margin(
                np.maximum(q[past, pair.low] - y, y - q[past, pair.high]) / scale[past],
                (y < result[past, pair.low]) | (y > result[past, pair.high]),
                independent,
                rate,
            )
            for pair in pairs
        ]
        result[n] = _adjusted(pairs, margins, q[n], scale[n], levels)
    return part.with_columns(value=pl.Series(result.ravel()))


def _independent(made: Ints, public: Ints) -> int:
    """How many forecasts share no news: each made after the outcome of the one before.

    Args:
        made: [n] instants of the forecasts, in order of ``public``.
        public: [n] instants at which their outcomes became public.
    """
    count, until = 0, 0
    for start, end in zip(made.tolist(), public.tolist(), strict=True):
        if start >= until:
            count, until = count + 1, end
    return count


def _pairs(levels: Floats) -> list[_Pair]:
    pairs = []
    for low, level in enumerate(levels):
        mirror = np.flatnonzero(np.isclose(levels, 1.0 - level, rtol=0.0, atol=1e-9))
        if level < 0.5 and mirror.size:
            pairs.append(_Pair(low, int(mirror[0]), float(2.0 * level)))
    return pairs


def _adjusted(
    pairs: list[_Pair], margins: list[float | None], q: Floats, scale: float, levels: Floats
) -> Floats:
    adjusted = q.copy()
    middle = float(np.interp(0.5, levels, q))
    for pair, margin in zip(pairs, margins, strict=True):
        if margin is not None:
            adjusted[pair.low] = min(q[pair.low] - margin * scale, middle)
            adjusted[pair.high] = max(q[pair.high] + margin * scale, middle)
    # Margins of neighbouring levels differ, so intervals may swap ends; sorting never hurts
    # the pinball loss (Chernozhukov, Fernandez-Val and Galichon, 2010).
    ordered: Floats = np.sort(adjusted)
    return ordered
