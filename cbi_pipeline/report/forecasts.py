"""Each commodity's part of the report: its price, its forecasts, the forecast before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonForecast:
    """The forecast of one commodity for one target session.

    Attributes:
        horizon: label, e.g. 1w.
        sessions: the commodity's own sessions ahead.
        target: session forecast.
        quantiles: price at each level.
        up: probability that the price rises.
        passed: True when the target date lies before the as-of day already.
        actual: price that came, when it is public.
    """

    horizon: str
    sessions: int
    target: date
    quantiles: Mapping[float, float]
    up: float
    passed: bool = False
    actual: float | None = None

    @property
    def median(self) -> float:
        """Price at the 0.5 level."""
        return at_level(self.quantiles, 0.5)

    def band(self, percent: int) -> tuple[float, float]:
        """Low and high price of the central band of 50, 80 or 90 percent."""
        return pick_band(self.quantiles, percent)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierForecast:
    """The forecast before this one.

    Attributes:
        as_of: instant it rested on.
        origin: its last price's session.
        price: its last price.
        medians: its median price per horizon label.
        model: version that made it.
    """

    as_of: datetime
    origin: date
    price: float
    medians: Mapping[str, float]
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommoditySection:
    """One commodity: its price and its forecasts.

    Attributes:
        id: its id in the catalogue.
        name: its name for people.
        unit: unit of its prices.
        horizons: the catalogue's horizon labels, shortest first.
        sessions: price history, oldest first; the last one is the newest price.
        prices: its prices.
        forecasts: shortest horizon first; empty when it abstained.
        origin: session the forecasts start from.
        price: price they start from.
        note: what a reader must know of the record, e.g. that it is closed.
        abstention: why no forecast was issued.
        status: forecast, abstains, waits, or cannot be forecast.
        before: the forecast before this one.
    """

    id: str
    name: str
    unit: str
    horizons: tuple[str, ...]
    sessions: tuple[date, ...]
    prices: tuple[float, ...]
    forecasts: tuple[HorizonForecast, ...] = ()
    origin: date | None = None
    price: float | None = None
    note: str | None = None
    abstention: str | None = None
    status: str = "forecast"
    before: EarlierForecast | None = None


def at_level(quantiles: Mapping[float, T], level: float) -> T:
    """The entry of a level; levels come from arithmetic, so they are matched closely, not exactly.

    Raises:
        ValueError: the level is not there.
    """
    for candidate, value in quantiles.items():
        if abs(candidate - level) < 1e-9:
            return value
    raise ValueError(f"the report needs the {level:g} quantile; there are: {sorted(quantiles)}")


def pick_band(quantiles: Mapping[float, T], percent: int) -> tuple[T, T]:
    """The entries that bound the central band of ``percent``."""
    tail = (100 - percent) / 200
    return at_level(quantiles, tail), at_level(quantiles, 1 - tail)
