"""Charts of evidence: coverage, skill, calibration, training, and what the features knew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from scipy.stats import beta, binom

from cbi_pipeline.report import formats
from cbi_pipeline.report.charts import style
from cbi_pipeline.report.charts.style import styled

_TOLERANCE = 0.9
_LEVEL_INK = {50: "#4a86b8", 80: style.FORECAST, 90: "#16324f"}


@dataclass(frozen=True, slots=True)
class Skill:
    """One skill figure with its interval.

    Attributes:
        horizon: horizon label.
        baseline: naive forecast it is measured against.
        value: share of the baseline's loss saved; negative when worse.
        low: lower end of its interval; None when there are too few forecasts for one.
        high: upper end.
    """

    horizon: str
    baseline: str
    value: float
    low: float | None
    high: float | None


@styled
def coverage(
    targets: Sequence[date],
    inside: Mapping[int, Sequence[bool]],
    *,
    window: int = 26,
    independent: float = 1.0,
) -> Figure:
    """Share of outcomes inside the 50, 80 and 90 % bands over time, against the nominal share.

    The shaded strip holds 90 % of what chance alone would give a perfectly calibrated 80 % band,
    from the binomial distribution at the number of independent forecasts in a window: horizons
    longer than the gap between origins overlap and count for less.

    Args:
        targets: target sessions in order.
        inside: per level in percent, whether each outcome lay inside the band.
        window: forecasts per rolling share.
        independent: independent forecasts per forecast, in (0, 1].
    """
    figure, axes = style.panel()
    window = min(window, len(targets))
    days = date2num(targets)[window - 1 :]
    low, high = chance_range(0.8, max(1, round(window * independent)))
    axes.fill_between(days, low, high, color=style.BANDS[90], lw=0)
    lines = {level: _average_hits(hits, window) for level, hits in inside.items()}
    lowest = min(low, *(min(line.min(), level / 100) for level, line in lines.items()))
    axes.set_ylim(max(0.0, np.floor(5 * lowest - 0.25) / 5), 1.04)
    ends = {}
    for level, share in lines.items():
        ink = _LEVEL_INK[level]
        axes.axhline(level / 100, color=ink, lw=0.8, ls=(0, (3, 2)))
        axes.plot(days, share, color=ink, lw=2.0 if level == 80 else 1.1)
        ends[f"{level}{formats.NARROW}%"] = float(share[-1]), ink
    style.end_labels(axes, days[-1], ends)
    style.date_axis(axes)
    axes.yaxis.set_major_locator(MultipleLocator(0.2))
    axes.yaxis.set_major_formatter(lambda value, _: formats.percent(value))
    axes.margins(x=0.02)
    return figure


def _average_hits(hits: Sequence[bool], window: int) -> np.ndarray:
    return np.convolve(np.asarray(hits, dtype=float), np.ones(window) / window, "valid")


def chance_range(nominal: float, effective: int) -> tuple[float, float]:
    """Central 90 % range of the share hit among ``effective`` independent forecasts."""
    ends = binom.ppf([(1 - _TOLERANCE) / 2, (1 + _TOLERANCE) / 2], effective, nominal)
    return float(ends[0]) / effective, float(ends[1]) / effective


@styled
def skill(figures: Sequence[Skill]) -> Figure:
    """Skill against each naive forecast with its interval, grouped by horizon.

    A bar is coloured only when its whole interval lies on one side of zero.

    Raises:
        ValueError: nothing to show.
    """
    if not figures:
        raise ValueError("a skill chart needs at least one figure")
    figure, axes = style.panel(height=66 + 25 * len(figures))
    heights = _group_heights(figures)
    axes.axvline(0, color=style.INK, lw=1.0)
    for height, bar in zip(heights, figures, strict=True):
        colour = _verdict_colour(bar)
        axes.barh(height, bar.value, height=0.62, color=colour, alpha=0.85)
        if bar.low is not None and bar.high is not None:
            _draw_whisker(axes, bar.low, bar.high, height)
    axes.set_yticks(heights, [f"{bar.horizon} vs {bar.baseline}" for bar in figures])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.xaxis.set_major_formatter(lambda value, _: formats.signed_percent(value, 0))
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("worse than the naive forecast  |  better")
    return figure


def _group_heights(figures: Sequence[Skill]) -> list[float]:
    heights, height = [], 0.0
    for number, bar in enumerate(figures):
        if number:
            height += 1.0 if bar.horizon == figures[number - 1].horizon else 1.5
        heights.append(height)
    return heights


def _draw_whisker(axes: Axes, low: float, high: float, height: float) -> None:
    axes.plot([low, high], [height, height], color=style.INK, lw=1.1)
    for end in (low, high):
        axes.plot([end, end], [height - 0.16, height + 0.16], color=style.INK, lw=1.1)


def _verdict_colour(bar: Skill) -> str:
    if bar.low is not None and bar.low > 0:
        return style.BETTER
    return style.OUTCOME if bar.high is not None and bar.high < 0 else style.NEUTRAL


@styled
def reliability(up: Sequence[float], rose: Sequence[bool], *, bins: int = 5) -> Figure:
    """How often the price rose when a rise was given a certain probability.

    Forecasts are grouped into bins of about equal count; whiskers hold 90 % (Jeffreys interval).

    Raises:
        ValueError: no forecasts.
    """
    if not len(up):
        raise ValueError("a reliability chart needs at least one forecast")
    figure, axes = style.panel()
    axes.plot([0, 1], [0, 1], color=style.MUTED, lw=0.9, ls=(0, (3, 2)))
    for chances, rises in _bins(np.asarray(up, dtype=float), np.asarray(rose, dtype=bool), bins):
        at, hits, misses = chances.mean(), rises.sum(), (~rises).sum()
        axes.plot([at, at], beta.ppf([0.05, 0.95], hits + 0.5, misses + 0.5), color=style.FORECAST)
        axes.plot([at], [rises.mean()], "o", ms=7, color=style.FORECAST, mec="white")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: formats.percent(value))
    reach = max(0.15, 1.2 * max(abs(chance - 0.5) for chance in up))
    limits = max(0.0, 0.5 - reach), min(1.0, 0.5 + reach)
    axes.set(xlim=limits, ylim=(0, 1), xlabel="probability given to a rise", ylabel="rose")
    return figure


@styled
def tenths(shares: Sequence[float]) -> Figure:
    """Share of outcomes in each tenth of the stated distributions; even ones stand at the line.

    Args:
        shares: of the ten, lowest first.
    """
    figure, axes = style.panel()
    places = np.arange(1, len(shares) + 1)
    axes.bar(places, shares, width=0.9, color=style.FORECAST, alpha=0.85)
    axes.axhline(1.0 / len(shares), color=style.INK, lw=1.0, ls=(0, (3, 2)))
    axes.set_xticks(places)
    axes.yaxis.set_major_formatter(lambda value, _: formats.percent(value))
    top = max(0.2, 1.1 * max(shares))
    axes.set_yticks(np.arange(0.0, top + 1e-9, 0.05))
    axes.set(ylim=(0.0, top), xlabel="tenth of the stated distribution")
    return figure


def _bins(up: np.ndarray, rose: np.ndarray, bins: int) -> list[tuple[np.ndarray, np.ndarray]]:
    # Equal probabilities stay together: an untrained model gives one value alone.
    edges = np.unique(np.quantile(up, np.linspace(0, 1, bins + 1)))
    number = np.searchsorted(edges[1:-1], up, side="right")
    return [(up[number == n], rose[number == n]) for n in np.unique(number)]


@styled
def loss_curve(
    epochs: Sequence[int], train: Sequence[float], validation: Sequence[float]
) -> Figure:
    """Training and validation loss by epoch, the best validation epoch marked."""
    figure, axes = style.panel()
    ends = {}
    for values, name, colour in (
        (train, "training", style.MUTED),
        (validation, "validation", style.FORECAST),
    ):
        axes.plot(epochs, values, color=colour)
        ends[name] = float(values[-1]), colour
    best = int(np.argmin(validation))
    axes.plot([epochs[best]], [validation[best]], "o", ms=6, color=style.FORECAST, mec="white")
    axes.annotate(
        f"best: {formats.figure(validation[best])} at epoch {epochs[best]}",
        (epochs[best], validation[best]),
        xytext=(2, -15),
        textcoords="offset points",
    )
    axes.set_xlabel("epoch")
    axes.margins(x=0.02, y=0.15)
    style.end_labels(axes, epochs[-1], ends)
    return figure


@styled
def feature_overview(
    sessions: Sequence[date],
    features: Sequence[str],
    mask_RF: np.ndarray,
    groups: Sequence[str],
    age_RG: np.ndarray,
) -> Figure:
    """Which features were present when, and how old each release group's newest value was.

    Args:
        sessions: R sessions of one commodity in order.
        features: F names.
        mask_RF: True where a feature is present.
        groups: G release groups.
        age_RG: days since each group's newest value.
    """
    shares = len(features), max(4, len(groups))
    figure = style.figure(2 * style.WIDTH, 90 + 15 * sum(shares))
    above, below = figure.subplots(2, 1, height_ratios=list(shares), sharex=True)
    days = date2num(sessions)
    _presence(above, days, features, mask_RF)
    ends = {}
    for n, group in enumerate(groups):
        colour = style.SERIES[n % len(style.SERIES)]
        below.plot(days, age_RG[:, n], color=colour, lw=0.9)
        ends[group] = float(age_RG[-1, n]), colour
    style.end_labels(below, days[-1], ends)
    below.set_ylabel("age in days")
    style.date_axis(below)
    return figure


def _presence(axes: Axes, days: np.ndarray, features: Sequence[str], mask_RF: np.ndarray) -> None:
    cells = min(160, len(days))
    parts = np.array_split(mask_RF.astype(float), cells)
    share = np.stack([part.mean(axis=0) for part in parts], axis=1)
    shades = LinearSegmentedColormap.from_list("presence", ["#f3efe7", style.FORECAST])
    edges = np.linspace(days[0], max(days[-1], days[0] + 1), cells + 1)
    axes.pcolormesh(edges, np.arange(len(features) + 1), share, cmap=shades, vmin=0, vmax=1)
    axes.set_yticks(np.arange(len(features)) + 0.5, features)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.tick_params(labelsize=10)
