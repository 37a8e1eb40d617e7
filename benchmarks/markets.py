"""Generated markets of independent volatility, and forecasts that misjudge it for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

Floats = npt.NDArray[np.float64]

MONDAY = datetime(2015, 1, 5, tzinfo=UTC)
DAILY = 0.02
MISJUDGEMENT = 0.25


@dataclass(frozen=True, slots=True)
class Design:
    """What a simulated evaluation looks like.

    Attributes:
        name: in words.
        commodities: independent markets.
        weeks: weekly origins per market.
        weeks_ahead: horizons.
        memory: weekly persistence of log volatility and of the misjudgements.
    """

    name: str
    commodities: int
    weeks: int
    weeks_ahead: tuple[int, ...]
    memory: float


@dataclass(frozen=True)
class Market:
    """Returns and true standard deviations [cells, weeks] of one simulated evaluation."""

    design: Design
    returns: Floats
    scale: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, design: Design) -> Market:
        """Random walks with wandering volatility."""
        length = design.weeks + max(design.weeks_ahead)
        wandering = _ar1(rng, design.commodities, length, design.memory)
        weekly = DAILY * np.sqrt(5.0) * np.exp(0.3 * wandering)
        shocks = weekly * rng.standard_normal(weekly.shape)
        return cls(design, _ahead(shocks, design), np.sqrt(_ahead(weekly**2, design)))

    def misjudged(self, rng: np.random.Generator, size: float) -> Floats:
        """The true standard deviations times a persistent factor of that size, per cell."""
        cells, weeks = self.scale.shape
        return self.scale * np.exp(size * _ar1(rng, cells, weeks, self.design.memory))

    def crps(self, scale: Floats) -> Floats:
        """CRPS [cells, weeks] of normal forecasts around no change (Gneiting and Raftery, 2007)."""
        y = self.returns / scale
        unit = y * (2.0 * stats.norm.cdf(y) - 1.0) + 2.0 * stats.norm.pdf(y) - 1.0 / np.sqrt(np.pi)
        score: Floats = scale * unit
        return score

    def losses(self, crps: dict[str, Floats]) -> pl.DataFrame:
        """The table that the gate reads."""
        design = self.design
        cells, weeks = next(iter(crps.values())).shape
        cell, week = (index.ravel() for index in np.indices((cells, weeks)))
        ahead = np.array(design.weeks_ahead)[cell % len(design.weeks_ahead)]
        instants = np.array([MONDAY.replace(tzinfo=None) + timedelta(weeks=w) for w in range(200)])
        instants = instants.astype("datetime64[us]")
        shared = pl.DataFrame(
            {
                "commodity": (cell // len(design.weeks_ahead)).astype(str).tolist(),
                "horizon": ahead.astype(str).tolist(),
                "as_of": pl.Series(instants[week]).dt.replace_time_zone("UTC"),
                "known_at": pl.Series(instants[week + ahead]).dt.replace_time_zone("UTC"),
            }
        ).with_columns(week=pl.col("as_of").dt.date())
        return pl.concat(
            [
                shared.with_columns(recipe=pl.lit(name), crps=pl.Series(values.ravel()))
                for name, values in crps.items()
            ]
        )


def _ar1(rng: np.random.Generator, rows: int, length: int, memory: float) -> Floats:
    series = rng.standard_normal((rows, length))
    series[:, 1:] *= np.sqrt(1.0 - memory**2)
    for week in range(1, length):
        series[:, week] += memory * series[:, week - 1]
    return series


def _ahead(weekly: Floats, design: Design) -> Floats:
    """Sums over each horizon: [commodities x horizons, weeks], horizons fastest."""
    sums = np.concatenate([np.zeros((len(weekly), 1)), np.cumsum(weekly, axis=1)], axis=1)
    origin = np.arange(design.weeks)
    parts = [sums[:, origin + ahead] - sums[:, origin] for ahead in design.weeks_ahead]
    return np.stack(parts, axis=1).reshape(-1, design.weeks)
