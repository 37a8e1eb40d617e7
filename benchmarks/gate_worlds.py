"""Generated markets as correlated, heavy-tailed and persistent as those of oil and gas.

Weekly shocks are Student's t of four degrees with a common factor (correlation .7, tails shared);
variances follow GARCH(1, 1), so that the scale of each horizon is known in closed form. Forecasts
are normal with that scale times a misjudgement that lasts and is mostly common to all markets.
Everything stays at the level of weekly losses; `World.table` is what the product's gate reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import signal, stats

from cbi_pipeline.catalogue import Catalogue, Commodity, EvaluationPlan
from cbi_pipeline.evaluation.comparison import compare
from cbi_pipeline.evaluation.evidence import Pairing
from cbi_pipeline.evaluation.groups import LONGEST_MEMORY

Floats = npt.NDArray[np.float64]

HORIZONS = {"1w": 1, "1m": 4, "1q": 13}
STEPS = np.array(list(HORIZONS.values()))
LAGS = int(STEPS.max()) - 1
MONDAY = date(1950, 1, 2)
CORRELATION, TAILS = 0.7, 4
ARCH, GARCH = 0.10, 0.87
# Larger shocks than this, in standard deviations, raise the variance no further.
LARGEST_SHOCK = 4.0
COMMON_MISJUDGEMENT = 0.7
DRIVER_MEMORY = 0.9
WIDTH_80 = 2.0 * float(stats.norm.ppf(0.9))


@dataclass(frozen=True)
class World:
    """Outcomes and conditional standard deviations, [cells, weeks], horizons fastest.

    Attributes:
        returns: outcomes.
        scale: standard deviations that past returns let one know.
        informed: those that a recipe knows which also sees the driver of variance; `scale`, where
            there is no driver.
    """

    returns: Floats
    scale: Floats
    informed: Floats

    @property
    def weeks(self) -> int:
        """Weekly origins."""
        return int(self.returns.shape[1])

    @property
    def markets(self) -> int:
        """Commodities."""
        return len(self.returns) // len(STEPS)

    def misjudge(self, rng: np.random.Generator, size: float, memory: float) -> Floats:
        """The scale times a lasting factor with standard deviation ``size`` of its logarithm."""
        factor = _share_factor(rng, self.markets, self.weeks, memory)
        scale: Floats = self.scale * np.exp(size * np.repeat(factor, len(STEPS), axis=0))
        return scale

    def score(self, scale: Floats) -> Floats:
        """CRPS [cells, weeks] of normal forecasts of no change (Gneiting and Raftery, 2007)."""
        y = self.returns / scale
        unit = y * (2.0 * stats.norm.cdf(y) - 1.0) + 2.0 * stats.norm.pdf(y) - 1.0 / np.sqrt(np.pi)
        crps: Floats = scale * unit
        return crps

    def table(self, scales: dict[str, Floats], weeks: int) -> pl.DataFrame:
        """`losses` of some forecasts over the first weeks."""
        cell, week = (index.ravel() for index in np.indices((len(self.returns), weeks)))
        days = np.array([MONDAY + timedelta(weeks=w) for w in range(weeks + STEPS[-1])])
        days = days.astype("datetime64[us]")
        ahead = STEPS[cell % len(STEPS)]
        shared = pl.DataFrame(
            {
                "commodity": [f"c{number}" for number in cell // len(STEPS)],
                "horizon": np.array(list(HORIZONS))[cell % len(STEPS)].tolist(),
                "as_of": pl.Series(days[week]).dt.replace_time_zone("UTC"),
                "known_at": pl.Series(days[week + ahead]).dt.replace_time_zone("UTC"),
            }
        ).with_columns(week=pl.col("as_of").dt.date(), origin_session=pl.col("as_of").dt.date())
        return pl.concat(
            shared.with_columns(
                recipe=pl.lit(name),
                crps=pl.Series(self.score(scale)[:, :weeks].ravel()),
                spread=pl.Series(WIDTH_80 * scale[:, :weeks].ravel()),
            )
            for name, scale in scales.items()
        )


def draw_world(rng: np.random.Generator, markets: int, weeks: int, driver: float = 0.0) -> World:
    """A world of so many markets and weeks.

    Args:
        rng: source of chance.
        markets: correlated commodities.
        weeks: weekly origins.
        driver: standard deviation of the logarithm by which a driver that no price shows moves the
            scale of each week's shock; it is known at the origin and decays by `DRIVER_MEMORY`.
    """
    length = weeks + int(STEPS.max())
    common, own = rng.standard_normal((1, length)), rng.standard_normal((markets, length))
    normal = np.sqrt(CORRELATION) * common + np.sqrt(1.0 - CORRELATION) * own
    mixing = rng.chisquare(TAILS, (1, length)) / (TAILS - 2)
    shocks = normal / np.sqrt(mixing)
    news = np.minimum(np.abs(shocks), LARGEST_SHOCK) ** 2
    variance = np.ones((markets, length))
    for week in range(1, length):
        variance[:, week] = (1.0 - ARCH - GARCH) + variance[:, week - 1] * (
            ARCH * news[:, week - 1] + GARCH
        )
    moved = driver * _share_factor(rng, markets, length, DRIVER_MEMORY)
    returns = np.sqrt(variance) * shocks * np.exp(moved - driver**2)
    sums = np.concatenate([np.zeros((markets, 1)), returns.cumsum(axis=1)], axis=1)
    origin = np.arange(weeks)
    ahead = np.stack([sums[:, origin + h] - sums[:, origin] for h in STEPS], axis=1)
    variance, moved = variance[:, :weeks], moved[:, :weeks]
    seen, informed = (
        np.stack([_sum_variance(variance, states, driver, h) for h in STEPS], axis=1)
        for states in (None, moved)
    )
    flat = (len(STEPS) * markets, weeks)
    return World(ahead.reshape(flat), np.sqrt(seen).reshape(flat), np.sqrt(informed).reshape(flat))


def _sum_variance(variance: Floats, moved: Floats | None, driver: float, ahead: int) -> Floats:
    """Expected variance of the return over some weeks; [markets, weeks]."""
    total = np.zeros_like(variance)
    for week in range(ahead):
        expected = 1.0 + (variance - 1.0) * (ARCH + GARCH) ** week
        if moved is not None:
            decayed = DRIVER_MEMORY**week
            expected *= np.exp(2.0 * moved * decayed - 2.0 * driver**2 * decayed**2)
        total += expected
    return total


def _share_factor(rng: np.random.Generator, markets: int, weeks: int, memory: float) -> Floats:
    """Autoregressions of unit variance, mostly one that all markets share; [markets, weeks]."""
    common, own = (_wander(rng, rows, weeks, memory) for rows in (1, markets))
    factor: Floats = (
        np.sqrt(COMMON_MISJUDGEMENT) * common + np.sqrt(1.0 - COMMON_MISJUDGEMENT) * own
    )
    return factor


def _wander(rng: np.random.Generator, rows: int, weeks: int, memory: float) -> Floats:
    shocks = rng.standard_normal((rows, weeks))
    shocks[:, 1:] *= np.sqrt(1.0 - memory**2)
    series: Floats = signal.lfilter([1.0], [1.0, -memory], shocks, axis=1)
    return series


@dataclass(frozen=True)
class Rival:
    """A recipe against one opponent in a world: what `evidence.pair` makes, without its tables.

    Attributes:
        opponent: its name.
        mine: CRPS of the recipe [cells, weeks].
        theirs: of the opponent.
        apart: weekly mean of (my width - theirs) / (both widths); [weeks].
    """

    opponent: str
    mine: Floats
    theirs: Floats
    apart: Floats

    def gain(self, weeks: int) -> tuple[Floats, Floats]:
        """Weekly gains over the first weeks, and the skill of each market."""
        mine, theirs = self.mine[:, :weeks], self.theirs[:, :weeks]
        weights = self._precision / theirs.mean(axis=1)
        weekly = weights @ (theirs - mine)
        per_cell = 1.0 - mine.sum(axis=1) / theirs.sum(axis=1)
        markets = per_cell.reshape(-1, len(STEPS)) @ (1.0 / STEPS / (1.0 / STEPS).sum())
        return weekly, markets

    def pair(self, weeks: int) -> Pairing:
        """The pairing over the first weeks."""
        weekly, markets = self.gain(weeks)
        memory = _measure_memory(self.apart[:weeks])
        return Pairing(
            opponent=self.opponent,
            difference=weekly,
            calendar=np.datetime64(MONDAY) + 7 * np.arange(weeks),
            memory=memory,
            by_commodity={f"c{n}": float(skill) for n, skill in enumerate(markets)},
            comparison=compare(weekly, LAGS, memory),
        )

    @cached_property
    def _precision(self) -> Floats:
        each = np.tile(1.0 / STEPS, len(self.mine) // len(STEPS))
        return each / each.sum()


def set_against(world: World, name: str, mine: Floats, theirs: Floats) -> Rival:
    """A recipe and an opponent of some scales [cells, weeks]."""
    apart = ((mine - theirs) / (mine + theirs)).mean(axis=0)
    return Rival(name, world.score(mine), world.score(theirs), apart)


def _measure_memory(apart: Floats) -> int:
    """As `Group.memory`."""
    centred = apart - apart.mean()
    if not centred.any():
        return 0
    r = np.clip(centred[1:] @ centred[:-1] / (centred @ centred), 0.0, LONGEST_MEMORY)
    return round(float((1.0 + r) / (1.0 - r)))


def make_catalogue(markets: int) -> Catalogue:
    """The catalogue of a world; none of its markets is liquid, so that no leak is suspected."""
    return Catalogue(
        commodities=tuple(
            Commodity(
                id=f"c{number}",
                name=f"Market {number}",
                unit="USD",
                price_series=f"S{number}",
                calendar="weekdays",
                sessions_per_year=260,
                horizons={label: 5 * weeks for label, weeks in HORIZONS.items()},
                liquid=False,
                stale_after_days=10,
            )
            for number in range(markets)
        ),
        evaluation=EvaluationPlan(),
    )
