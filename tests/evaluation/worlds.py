"""Generated markets: returns with known volatility, and forecasts of chosen quality."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from scipy import stats

from cbi_pipeline.catalogue import Catalogue, Commodity, EvaluationPlan
from cbi_pipeline.forecasting import DEFAULT_LEVELS
from data_contracts.evaluation import FORECAST
from data_contracts.features import TARGET

START = date(2015, 1, 5)  # a Monday
NOW = datetime(2019, 1, 1, tzinfo=UTC)
LEVELS = np.array(DEFAULT_LEVELS)
NORMAL = stats.norm.ppf(LEVELS)
STEPS = {"1w": 5, "1m": 20}


def catalogue(
    commodities: int = 2,
    *,
    steps: dict[str, int] = STEPS,
    liquid: bool = False,
    development: float = 0.0,
):
    return Catalogue(
        commodities=tuple(
            Commodity(
                id=f"c{number}",
                name=f"Commodity {number}",
                unit="USD",
                price_series=f"S{number}",
                calendar="weekdays",
                sessions_per_year=260,
                horizons=steps,
                liquid=liquid,
                stale_after_days=10,
            )
            for number in range(commodities)
        ),
        evaluation=EvaluationPlan(
            years=2, origins=100, refits="quarterly", development=development
        ),
    )


@dataclass
class World:
    """Weekly origins on weekdays; returns are normal with the volatility ``sigma`` of each day.

    Attributes:
        returns: [C, W, H] log returns from each weekly origin.
        scale: [C, W, H] true standard deviation of each.
    """

    catalogue: Catalogue
    returns: np.ndarray
    scale: np.ndarray

    @property
    def weeks(self) -> int:
        return self.returns.shape[1]

    def targets(self) -> pl.DataFrame:
        """``features.target`` rows; a target is public at the end of its session."""
        rows = []
        for c, commodity in enumerate(self.catalogue.commodities):
            for w in range(self.weeks):
                for h, steps in enumerate(commodity.steps):
                    end = session(w) + timedelta(weeks=steps // 5)
                    value = float(self.returns[c, w, h])
                    known = midnight(end)
                    price = 100.0 * np.exp(value)
                    rows.append(
                        (
                            commodity.id,
                            session(w),
                            steps,
                            end,
                            1,
                            value,
                            price,
                            known,
                        )
                    )
        return pl.DataFrame(rows, schema=TARGET.dtypes, orient="row")

    def speak(self, recipe: str, scale: np.ndarray, shift: np.ndarray | float = 0.0):
        """Normal forecasts with standard deviations ``scale`` [C, W, H] and medians ``shift``."""
        shift = np.broadcast_to(np.asarray(shift, dtype=float), scale.shape)
        values = shift[..., None] + scale[..., None] * NORMAL
        c, w, h, _ = (index.ravel() for index in np.indices(values.shape))
        ids = np.array([commodity.id for commodity in self.catalogue.commodities])
        steps = np.array([commodity.steps for commodity in self.catalogue.commodities])
        up = stats.norm.cdf(shift / scale)
        frame = pl.DataFrame(
            {
                "evaluation_id": "e",
                "recipe": recipe,
                "fold": "2015-01-01",
                "commodity": pl.Series(ids[c].tolist(), dtype=pl.String),
                "origin_session": pl.Series([session(i) for i in range(self.weeks)]).gather(w),
                "horizon": steps[c, h].astype(np.int64),
                "quantile": np.tile(LEVELS, scale.size),
                "as_of": pl.Series(
                    [midnight(session(i)) for i in range(self.weeks)],
                    dtype=FORECAST.dtypes["as_of"],
                ).gather(w),
                "value": values.ravel(),
                "up": np.repeat(up.ravel(), len(LEVELS)),
                "volatility": np.repeat(scale.ravel(), len(LEVELS)),
                "origin_price": 100.0,
            }
        )
        return frame.select(list(FORECAST.dtypes))


def world(
    rng: np.random.Generator,
    *,
    commodities: int = 2,
    weeks: int = 100,
    steps: dict[str, int] = STEPS,
    clustering: float = 0.0,
    liquid: bool = False,
) -> World:
    """Random walks whose log volatility is an AR(1) of weekly persistence and size ``clustering``.

    With ``clustering`` zero they are plain random walks of 2 % a day.
    """
    weeks_ahead = [count // 5 for count in steps.values()]
    total = weeks + max(weeks_ahead)
    log_volatility = _ar1(rng, commodities, total, clustering)
    weekly = 0.02 * np.sqrt(5.0) * np.exp(log_volatility - clustering**2)
    shocks = weekly * rng.standard_normal((commodities, total))
    sums, variances = _cumulated(shocks), _cumulated(weekly**2)
    origin = np.arange(weeks)
    returns = np.stack([sums[:, origin + k] - sums[:, origin] for k in weeks_ahead], axis=2)
    variance = np.stack(
        [variances[:, origin + k] - variances[:, origin] for k in weeks_ahead], axis=2
    )
    return World(catalogue(commodities, steps=steps, liquid=liquid), returns, np.sqrt(variance))


def noisy(rng: np.random.Generator, scale: np.ndarray, size: float = 0.25) -> np.ndarray:
    """The scale misjudged by a persistent factor, independent between calls."""
    commodities, weeks, horizons = scale.shape
    factor = np.stack([_ar1(rng, commodities, weeks, size) for _ in range(horizons)], axis=2)
    return scale * np.exp(factor)


def session(week: int) -> date:
    return START + timedelta(weeks=week)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _ar1(rng: np.random.Generator, rows: int, length: int, size: float, memory: float = 0.9):
    series = np.empty((rows, length))
    series[:, 0] = rng.standard_normal(rows)
    for t in range(1, length):
        series[:, t] = memory * series[:, t - 1]
        series[:, t] += np.sqrt(1 - memory**2) * rng.standard_normal(rows)
    return size * series


def _cumulated(series: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((len(series), 1)), np.cumsum(series, axis=1)], axis=1)
