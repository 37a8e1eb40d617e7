"""Calibration: whole distributions widened or narrowed by how past ones did, where that pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from cbi_pipeline.evaluation.comparison import cosine_test
from cbi_pipeline.evaluation.groups import Group, groups
from cbi_pipeline.evaluation.losses import crps
from cbi_pipeline.forecasting.calibration import (
    Calibration,
    Move,
    find_medians,
    move_chances,
    move_quantiles,
)
from data_contracts.evaluation import CALIBRATED, FORECAST

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# So many independent outcomes weigh as much as the belief that the forecast is right as it stands.
SHRINKAGE = 8.0
# The same for base rates: those of markets lie about 0.05 from one half, and n outcomes tell them
# to within 0.5 / sqrt(n). The share of the way to them is believed to lie within 0.5 of nothing;
# the ridge is the variance of an outcome, 0.25, over that of the share.
BASE_RATE_SHRINKAGE, PULL_RIDGE = 100.0, 1.0
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
    """The same forecasts, each distribution widened or narrowed, each chance of a rise moved.

    Per recipe, commodity and horizon, and anew at every origin, from the outcomes public by then:

    - the factor of the width with the least CRPS (`losses.crps`) is taken, its logarithm shrunk by
      n / (n + 8), where n counts outcomes that share no news: of forecasts made after the outcome
      of the one before. Median stays, volatility moves with the width;
    - `up` moves a share of the way to the base rate, or away from it: the share with the least
      Brier score and a ridge. The base rate is that of past rises, shrunk to one half by
      n / (n + 100).

    Each is applied where the moves of the past, each as chosen at its own origin, did not cost its
    score over those outcomes; elsewhere the forecast stays as it is.

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
    versions = _name_outcomes(targets)
    parts = [_calibrate_part(part, versions) for part in _split(forecasts)]
    if not parts:
        return FORECAST.empty()
    frame = pl.concat(parts).with_columns(recipe=pl.col("recipe") + CALIBRATED)
    return FORECAST.validate(frame.select(list(FORECAST.dtypes)))


def fit_calibration(past: pl.DataFrame, targets: pl.DataFrame, as_of: datetime) -> Calibration:
    """The calibration of a recipe's forecasts that are made at an instant; see `calibrate`.

    Args:
        past: its ``evaluation.forecast`` rows; later ones do not enter.
        targets: as for `calibrate`.
        as_of: the instant, aware.
    """
    versions = _name_outcomes(targets)
    moves = dict[str, dict[int, Move]]()
    for part in _split(past.filter(pl.col("as_of") < as_of)):
        commodity, horizon = part.select("commodity", "horizon").row(0)
        record = _Record.of(part, versions, [as_of])
        moves.setdefault(commodity, {})[horizon] = _choose_moves(record).at(-1)
    return Calibration(moves)


def _name_outcomes(targets: pl.DataFrame) -> pl.DataFrame:
    return targets.select(
        "commodity", "horizon", "version", "available_at",
        origin_session="session", y="value",
    )  # fmt: skip


def _split(forecasts: pl.DataFrame) -> list[pl.DataFrame]:
    """The forecasts of each recipe, commodity and horizon, in order of their instants."""
    ordered = forecasts.sort(*_KEY, "as_of", "origin_session", "quantile")
    return ordered.partition_by(_KEY, maintain_order=True)


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
    record = _Record.of(part, versions)
    moves, count = _choose_moves(record), len(record.levels)
    return part.with_columns(
        value=pl.Series(move_quantiles(record.q_NQ, record.levels, moves.width_A).ravel()),
        up=pl.Series(
            np.repeat(move_chances(record.up_N, moves.pull_A, moves.base_A), count),
        ),
        volatility=pl.col("volatility") * pl.Series(np.repeat(moves.width_A, count)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    """N forecasts of one recipe, commodity and horizon, and what followed them.

    Attributes:
        levels: float64 [Q].
        q_NQ: float64 [N, Q], quantiles.
        up_N: float64 [N], chances of a rise.
        news: what followed, as it was public at each of the N instants, and at others after them.
    """

    levels: Floats
    q_NQ: Floats
    up_N: Floats
    news: _News

    @classmethod
    def of(
        cls, part: pl.DataFrame, versions: pl.DataFrame, further: Sequence[datetime] = ()
    ) -> _Record:
        """From the rows of ``evaluation.forecast``, and the versions of all outcomes."""
        levels = part["quantile"].unique().sort().to_numpy()
        head = part.gather_every(len(levels))
        q_NQ = part["value"].to_numpy().reshape(-1, len(levels))
        asked = pl.concat([head["as_of"], pl.Series("as_of", further, head["as_of"].dtype)])
        return cls(levels, q_NQ, head["up"].to_numpy(), _News.of(head, versions, asked))


@dataclass(frozen=True, slots=True, eq=False)
class _Moves:
    """Moves of forecasts made at A instants, each from what was public then; see `Move`."""

    width_A: Floats
    pull_A: Floats
    base_A: Floats
    independent_A: Floats

    def at(self, number: int) -> Move:
        """The moves at one instant."""
        return Move(
            float(self.width_A[number]),
            float(self.pull_A[number]),
            float(self.base_A[number]),
            int(self.independent_A[number]),
        )


def _choose_moves(record: _Record) -> _Moves:
    """The moves of forecasts at each instant; nothing where calibration did not pay."""
    pull_A, base_A = _choose_pulls(record)
    return _Moves(_choose_widths(record), pull_A, base_A, record.news.independent)


def _choose_widths(record: _Record) -> Floats:
    """Factor of the width, [A]; one where calibration did not pay."""
    news, levels = record.news, record.levels
    centre_N = find_medians(record.q_NQ, levels)
    spread_NQ = record.q_NQ - centre_N[:, None]
    ones_N = np.ones(len(centre_N))
    costs = [news.score(centre_N, spread_NQ, levels, factor * ones_N) for factor in FACTORS]
    cost_VB = np.stack(costs, axis=1)
    best_A = FACTORS[news.total(cost_VB).argmin(axis=1)]
    chosen_A: Floats = best_A ** news.weight(SHRINKAGE)
    plain_V = cost_VB[:, len(FACTORS) // 2]
    chosen_N = chosen_A[: len(centre_N)]
    gained_A = news.total(news.score(centre_N, spread_NQ, levels, chosen_N) - plain_V)
    factor_A: Floats = np.where(gained_A <= 0.0, chosen_A, 1.0)
    return factor_A


def _choose_pulls(record: _Record) -> tuple[Floats, Floats]:
    """Share of the way of `up` to the base rate, and the base rate, both [A]."""
    news, n = record.news, record.news.forecast
    rose_V, count_A = (news.y > 0.0).astype(np.float64), np.maximum(news.count(), 1.0)
    base_A = 0.5 + (news.total(rose_V) / count_A - 0.5) * news.weight(BASE_RATE_SHRINKAGE)
    gap_V = np.where(news.has_value, (base_A[: len(record.up_N)] - record.up_N)[n], 0.0)
    miss_V = np.where(news.has_value, rose_V - record.up_N[n], 0.0)
    # Least squares of the misses on the gaps, which minimises the Brier score, with a ridge: the
    # sums count each piece of news once.
    once_A = news.count_independent() / count_A
    cross_A, square_A = news.total(gap_V * miss_V) * once_A, news.total(gap_V**2) * once_A
    pull_A = np.clip(cross_A / (square_A + PULL_RIDGE), -1.0, 1.0)
    pull_V = pull_A[: len(record.up_N)][n]
    gained_A = news.total((pull_V * gap_V - miss_V) ** 2 - miss_V**2)
    return np.where(gained_A <= 0.0, pull_A, 0.0), base_A


@dataclass(frozen=True, slots=True, eq=False)
class _News:
    """Every version of the returns that followed N forecasts, as they became public.

    Attributes:
        forecast: int64 [V], the forecast each version belongs to.
        before: int64 [V], the version that it takes the place of; -1 where it is the first.
        y: float64 [V], the return; zero where the version withdraws it.
        has_value: bool [V], whether there is one.
        seen: int64 [A], how many versions were public at each instant asked about.
        independent: float64 [A], how many outcomes that share no news were public then.
    """

    forecast: Ints
    before: Ints
    y: Floats
    has_value: npt.NDArray[np.bool_]
    seen: Ints
    independent: Floats

    @classmethod
    def of(cls, head: pl.DataFrame, versions: pl.DataFrame, asked: pl.Series) -> _News:
        """The versions of the outcomes of forecasts, one line of ``head`` each."""
        numbered = head.select(*_OUTCOME, "as_of").with_row_index("n")
        joined = numbered.join(versions, on=_OUTCOME).sort("available_at", "version", "n")
        forecast = joined["n"].cast(pl.Int64).to_numpy()
        public = joined["available_at"].dt.epoch("us").to_numpy()
        made, instants = (column.dt.epoch("us").to_numpy() for column in (head["as_of"], asked))
        y, has_value = joined["y"].fill_null(0.0).to_numpy(), joined["y"].is_not_null().to_numpy()
        seen = np.searchsorted(public, instants, side="right")
        news = _count_independent(made, forecast[has_value], public[has_value])
        independent = np.searchsorted(news, instants, side="right").astype(np.float64)
        return cls(forecast, _precede(forecast), y, has_value, seen, independent)

    def count(self) -> Floats:
        """Outcomes that stood at each instant, [A]."""
        return self.total(self.has_value.astype(np.float64))

    def count_independent(self) -> Floats:
        """How many of them share no news, [A]."""
        return np.minimum(self.independent, self.count())

    def weight(self, shrinkage: float) -> Floats:
        """What they weigh against a belief worth so many of them, [A]: from zero to one."""
        count_A = self.count_independent()
        return count_A / (count_A + shrinkage)

    def score(
        self, centre_N: Floats, spread_NQ: Floats, levels: Floats, factor_N: Floats
    ) -> Floats:
        """CRPS of each version's forecast at a factor of its width, [V]; zero without a value."""
        n = self.forecast
        values = centre_N[n, None] + factor_N[n, None] * spread_NQ[n]
        return np.where(self.has_value, crps(values, levels, self.y), 0.0)

    def total(self, figures: Floats) -> Floats:
        """Sum of figures [V, ...] of the versions that were newest at each instant, [A, ...]."""
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
