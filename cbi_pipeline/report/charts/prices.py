"""Charts of prices: fans of forecasts, forecasts against what came, and long histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from cbi_pipeline.report import formats
from cbi_pipeline.report.charts import style
from cbi_pipeline.report.charts.style import styled

LEVELS = (50, 80, 90)
_EARLIEST = timedelta(days=90)
_HISTORY_PER_HORIZON = 5


@dataclass(frozen=True, slots=True)
class Knot:
    """The forecast for one target session.

    Attributes:
        session: target session.
        median: price at the median.
        bands: per level in percent, low and high price.
    """

    session: date
    median: float
    bands: Mapping[int, tuple[float, float]]


@styled
def fan(
    sessions: Sequence[date],
    prices: Sequence[float],
    knots: Sequence[Knot],
    unit: str,
    *,
    actual: float | None = None,
) -> Figure:
    """History, then nested 50, 80 and 90 % bands to the last knot's session.

    Between the knots the bands are interpolated: logarithms of price move linearly in the square
    root of calendar days, as a random walk's spread does.

    Args:
        sessions: history, oldest first; the last one is the origin.
        prices: its prices.
        knots: forecasts in order of session.
        unit: unit of the price.
        actual: price that came on the last knot's session, when known.

    Raises:
        ValueError: no history or no forecast.
    """
    if not sessions or not knots:
        raise ValueError("a fan chart needs at least one past price and one forecast")
    figure, axes = style.panel()
    origin, price, target = sessions[-1], prices[-1], knots[-1]
    paths = _Paths(origin, price, knots)
    for level in reversed(LEVELS):
        low, high = (paths.to([knot.bands[level][end] for knot in knots]) for end in (0, 1))
        axes.fill_between(paths.days, low, high, color=style.BANDS[level], lw=0)
    axes.plot(paths.days, paths.to([k.median for k in knots]), color=style.FORECAST, lw=1.6)
    shown = _find_start(sessions, origin - _history(origin, target.session))
    axes.plot(date2num(sessions[shown:]), prices[shown:], color=style.INK)
    _mark_knots(axes, origin, price, knots)
    _label_target(axes, target, unit)
    if actual is not None:
        _mark_outcome(axes, target.session, actual, unit)
    _finish(axes)
    return figure


class _Paths:
    """Interpolation from the origin's price through figures given at the knots."""

    def __init__(self, origin: date, price: float, knots: Sequence[Knot]) -> None:
        self._price = price
        self._at = np.sqrt([0, *((knot.session - origin).days for knot in knots)])
        ahead = np.arange((knots[-1].session - origin).days + 1)
        self._roots = np.sqrt(ahead)
        self.days = date2num(origin) + ahead

    def to(self, ends: Sequence[float]) -> np.ndarray:
        """The path through ``ends``, one price per day of ``days``."""
        return np.exp(np.interp(self._roots, self._at, np.log([self._price, *ends])))


def _history(origin: date, target: date) -> timedelta:
    return max(_EARLIEST, _HISTORY_PER_HORIZON * (target - origin))


def _find_start(sessions: Sequence[date], since: date) -> int:
    first = next(n for n, session in enumerate(sessions) if session >= since)
    return min(first, max(0, len(sessions) - 2))


def _mark_knots(axes: Axes, origin: date, price: float, knots: Sequence[Knot]) -> None:
    axes.axvline(date2num(origin), color=style.MUTED, lw=0.8, ls=(0, (2, 2)))
    axes.plot(date2num([origin]), [price], "o", ms=4, color=style.INK)
    sessions, medians = [k.session for k in knots], [k.median for k in knots]
    (rings,) = axes.plot(date2num(sessions), medians, "o", ms=3.6, color="white")
    rings.set(markeredgecolor=style.FORECAST, markeredgewidth=1.3)


def _label_target(axes: Axes, target: Knot, unit: str) -> None:
    low, high = target.bands[80]
    for value, weight in ((low, "normal"), (target.median, "bold"), (high, "normal")):
        axes.annotate(
            formats.price(value, unit),
            (date2num(target.session), value),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=style.FORECAST,
            weight=weight,
        )


def _mark_outcome(axes: Axes, session: date, actual: float, unit: str) -> None:
    axes.plot(date2num([session]), [actual], "D", ms=5.5, color=style.OUTCOME, mec="white")
    axes.annotate(
        f"came: {formats.price(actual, unit)}",
        (date2num(session), actual),
        xytext=(-7, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        color=style.OUTCOME,
        weight="bold",
    )


@styled
def against_actual(
    targets: Sequence[date],
    low: Sequence[float],
    median: Sequence[float],
    high: Sequence[float],
    actual: Sequence[float],
) -> Figure:
    """Past forecasts' 80 % band and median against the price that came, by target session.

    Prices outside the band are marked.

    Args:
        targets: target sessions in order.
        low: 0.1 quantile of the price, per target.
        median: 0.5 quantile.
        high: 0.9 quantile.
        actual: price that came.
    """
    figure, axes = style.panel()
    days, came = date2num(targets), np.asarray(actual, dtype=float)
    axes.fill_between(days, low, high, color=style.BANDS[80], lw=0)
    axes.plot(days, median, color=style.FORECAST, lw=1.1)
    axes.plot(days, came, color=style.INK, lw=1.2)
    outside = (came < np.asarray(low)) | (came > np.asarray(high))
    axes.plot(days[outside], came[outside], "o", ms=5, color=style.OUTCOME, mec="white")
    _finish(axes)
    return figure


@styled
def history(sessions: Sequence[date], prices: Sequence[float], unit: str) -> Figure:
    """A whole price record, with its newest, highest and lowest price named.

    Stretches without a price for more than a month stay gaps.
    """
    figure, axes = style.panel(height=210)
    days, values = date2num(sessions), np.asarray(prices, dtype=float)
    for part in _unbroken(sessions):
        axes.plot(days[part], values[part], color=style.FORECAST, lw=1.0)
    axes.set_ylim(values.min() - 0.15 * np.ptp(values), values.max() + 0.15 * np.ptp(values))
    for index, name, above in _extremes(values):
        axes.plot(days[[index]], values[[index]], "o", ms=4, color=style.INK)
        axes.annotate(
            f"{name} {formats.price(values[index], unit)}",
            (days[index], values[index]),
            xytext=(0, 5 if above else -6),
            textcoords="offset points",
            ha="right" if index > len(values) / 2 else "left",
            va="bottom" if above else "top",
        )
    axes.plot(days[-1:], values[-1:], "o", ms=4, color=style.FORECAST)
    newest = formats.price(values[-1], unit)
    style.end_labels(axes, days[-1], {newest: (values[-1], style.FORECAST)})
    _finish(axes)
    return figure


def _extremes(values: np.ndarray) -> list[tuple[int, str, bool]]:
    return [(int(values.argmin()), "lowest", False), (int(values.argmax()), "highest", True)]


def _unbroken(sessions: Sequence[date]) -> list[slice]:
    breaks = [n for n, (a, b) in enumerate(pairwise(sessions), 1) if (b - a).days > 31]
    return [slice(a, b) for a, b in pairwise([0, *breaks, len(sessions)])]


def _finish(axes: Axes) -> None:
    style.date_axis(axes)
    style.price_axis(axes)
    axes.margins(x=0.02)
