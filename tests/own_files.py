"""Files of prices as people keep them, generated."""

from collections.abc import Mapping
from datetime import date, timedelta
from math import exp, sin
from pathlib import Path

from cbi_pipeline.market import sessions

END = date(2026, 8, 18)


def make_prices(calendar: str, years: float = 3.0, end: date = END) -> dict[date, float]:
    """A price on every session of a calendar."""
    days = sessions(calendar, end - timedelta(days=int(365.25 * years)), end)
    return {
        day: round(30 * exp(0.2 * sin(n / 40) + 0.02 * ((37 * n * n) % 101 / 101)), 3)
        for n, day in enumerate(days)
    }


def make_csv(prices: Mapping[object, float], header: str = "Date,Price") -> str:
    """The prices, a line each."""
    return "\n".join([header, *(f"{day},{price:g}" for day, price in prices.items())]) + "\n"


def write_csv(path: Path, prices: Mapping[object, float], header: str = "Date,Price") -> Path:
    """A file of the prices."""
    path.write_text(make_csv(prices, header))
    return path
