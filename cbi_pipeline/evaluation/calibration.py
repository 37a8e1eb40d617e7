"""Calibration: whole distributions widened or narrowed by how past ones did, where that pays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from cbi_pipeline.evaluation.comparison import cosine_test
from cbi_pipeline.evaluation.groups import Group, groups
from cbi_pipeline.evaluation.losses import crps
from data_contracts.evaluation import CALIBRATED, FORECAST

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# So many independent outcomes weigh as much as the belief that the forecast is right as it stands.
SHRINKAGE = 8.0
# Factors of the width that the past may call for, in steps of 2.5 %.
FACTORS: Floats = np.exp(np.arange(-48, 49) * 0.025)
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


def calibrate(forecasts: pl.DataFrame, targets: pl.DataFrame) -> pl.DataFrame:
    """The same forecasts, each distribution widened or narrowed around its median.

    Per recipe, commodity and horizon, and anew at every origin: the factor of the width with the
    least CRPS (`losses.crps`) over the outcomes public by then is taken, its logarithm shrunk by
    n / (n + 8), where n counts outcomes that share no news: of forecasts made after the outcome of
    the one before. It is applied where the factors of the past, each as chosen at its own origin,
    did not cost CRPS over those outcomes; elsewhere the forecast stays as it is. The median and
    `up` stay, volatility moves with the width.

    Every origin counts each past outcome in its newest version public at the origin's own instant,
    as every other as-of read does: from a correction on the corrected return counts, and a
    withdrawn one no more. So a band is a function of what was public at its instant alone, and the
    same whether it is made on the day or replayed later.

    Args:
        forecasts: ``evaluation.forecast`` rows, with or without known targets.
        targets: ``features.target`` rows, all versions; those public after a forecast's instant
            do not enter it.

    Returns:
        ``evaluation.forecast`` rows, the names of their recipes ending in `CALIBRATED`.
    """
    versions = targets.select(
        "commodity", "horizon", "version", "available_at",
        origin_session="session", y="value",
    )  # fmt: skip
    ordered = forecasts.sort(*_KEY, "as_of", "origin_session", "quantile")
    parts = [
        _calibrate_part(part, versions) for part in ordered.partition_by(_KEY, maintain_order=True)
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
        ``newest`` with calibrated values and volatility, under the recipe's own name.
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


def _calibrate_part(part: pl.DataFrame, versions: pl.DataFrame) -> pl.DataFrame:
    """Calibrate the forecasts of one recipe, commodity and horizon, in order of their instants."""
    levels = part["quantile"].unique().sort().to_numpy()
    count = len(levels)
    q_NQ = part["value"].to_numpy().reshape(-1, count)
    head = part.gather_every(count)
    news = _News.of(head, versions)
    centre_N = np.array([np.interp(0.5, levels, row) for row in q_NQ])
    spread_NQ = q_NQ - centre_N[:, None]
    factor_N = _choose_factors(news, centre_N, spread_NQ, levels)
    moved_NQ = centre_N[:, None] + factor_N[:, None] * spread_NQ
    return part.with_columns(
        # Where nothing is moved not a bit is.
        value=pl.Series(np.where(factor_N[:, None] == 1.0, q_NQ, moved_NQ).ravel()),
        volatility=pl.col("volatility") * pl.Series(np.repeat(factor_N, count)),
    )


def _choose_factors(news: _News, centre_N: Floats, spread_NQ: Floats, levels: Floats) -> Floats:
    """Factor of the width of each forecast, [N]; one where calibration did not pay."""
    ones_N = np.ones(len(centre_N))
    costs = [news.score(centre_N, spread_NQ, levels, factor * ones_N) for factor in FACTORS]
    cost_VB = np.stack(costs, axis=1)
    best_N = FACTORS[news.total(cost_VB).argmin(axis=1)]
    count_N = np.minimum(news.independent, news.total(news.has_value.astype(np.float64)))
    chosen_N: Floats = best_N ** (count_N / (count_N + SHRINKAGE))
    plain_V = cost_VB[:, len(FACTORS) // 2]
    gained_N = news.total(news.score(centre_N, spread_NQ, levels, chosen_N) - plain_V)
    factor_N: Floats = np.where(gained_N <= 0.0, chosen_N, 1.0)
    return factor_N


@dataclass(frozen=True, slots=True, eq=False)
class _News:
    """Every version of the returns that followed N forecasts, as they became public.

    Attributes:
        forecast: int64 [V], the forecast each version belongs to.
        before: int64 [V], the version that it takes the place of; -1 where it is the first.
        y: float64 [V], the return; zero where the version withdraws it.
        has_value: bool [V], whether there is one.
        seen: int64 [N], how many versions each forecast could know.
        independent: float64 [N], how many outcomes that share no news were public to each.
    """

    forecast: Ints
    before: Ints
    y: Floats
    has_value: npt.NDArray[np.bool_]
    seen: Ints
    independent: Floats

    @classmethod
    def of(cls, head: pl.DataFrame, versions: pl.DataFrame) -> _News:
        """The versions of the outcomes of forecasts, one line of ``head`` each."""
        numbered = head.select(*_OUTCOME, "as_of").with_row_index("n")
        joined = numbered.join(versions, on=_OUTCOME).sort("available_at", "version", "n")
        forecast = joined["n"].cast(pl.Int64).to_numpy()
        public = joined["available_at"].dt.epoch("us").to_numpy()
        made = head["as_of"].dt.epoch("us").to_numpy()
        y, has_value = joined["y"].fill_null(0.0).to_numpy(), joined["y"].is_not_null().to_numpy()
        seen = np.searchsorted(public, made, side="right")
        news = _count_independent(made, forecast[has_value], public[has_value])
        independent = np.searchsorted(news, made, side="right").astype(np.float64)
        return cls(forecast, _precede(forecast), y, has_value, seen, independent)

    def score(
        self, centre_N: Floats, spread_NQ: Floats, levels: Floats, factor_N: Floats
    ) -> Floats:
        """CRPS of each version's forecast at a factor of its width, [V]; zero without a value."""
        n = self.forecast
        values = centre_N[n, None] + factor_N[n, None] * spread_NQ[n]
        return np.where(self.has_value, crps(values, levels, self.y), 0.0)

    def total(self, figures: Floats) -> Floats:
        """Sum of figures [V, ...] of the versions that were newest to each forecast, [N, ...]."""
        news = figures.copy()
        replaces = self.before >= 0
        news[replaces] -= figures[self.before[replaces]]
        nothing = np.zeros((1, *figures.shape[1:]))
        total: Floats = np.concatenate([nothing, np.cumsum(news, axis=0)])[self.seen]
        return total


def _precede(forecast: Ints) -> Ints:
    """Of each version, the one of the same forecast before it; -1 where there is none."""
    newest: dict[int, int] = {}
    before = np.full(len(forecast), -1, dtype=np.int64)
    for v, n in enumerate(forecast.tolist()):
        before[v] = newest.get(n, -1)
        newest[n] = v
    return before


def _count_independent(made: Ints, forecast: Ints, public: Ints) -> Ints:
    """Instants at which outcomes that share no news with one before became public, increasing.

    One that is withdrawn later was news all the same.

    Args:
        made: [N] instants of the forecasts.
        forecast: [V] the forecast of each version with a value, by instant of publication.
        public: [V] those instants.
    """
    instants, counted, until = list[int](), set[int](), np.iinfo(np.int64).min
    for n, instant in zip(forecast.tolist(), public.tolist(), strict=True):
        if n not in counted and made[n] >= until:
            instants.append(instant)
            until = instant
        counted.add(n)
    return np.array(instants, dtype=np.int64)
