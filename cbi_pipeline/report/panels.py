"""Charts of a morning with the words around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import pairwise
from statistics import median

from markupsafe import Markup
from matplotlib.figure import Figure

from cbi_pipeline.report import charts, formats, skill
from cbi_pipeline.report.charts.strip import strip
from cbi_pipeline.report.morning import Morning, Outlook, Page, Replay, at_level, central

LEVELS = (50, 80, 90)
COVERAGE_WINDOW = 26


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart, its title, and one sentence on what it shows."""

    title: str
    told: str
    svg: Markup


def _panel(key: str, title: str, told: str, draw: Callable[[], Figure]) -> Panel:
    """A chart, or why there is none: the rest of the report is as good without it."""
    try:
        svg = charts.svg(draw(), key=key, title=title, description=told)
    except Exception as error:
        why = f"{told}. This chart could not be drawn: {type(error).__name__}: {error}"
        return Panel(title, why, Markup(""))
    return Panel(title, told, Markup(svg))


def strips(page: Page) -> list[Markup]:
    """One strip per outlook, all on the scale of the widest band."""
    if page.price is None:
        return []
    ends = [end for one in page.outlooks for end in one.band(90)]
    scale = min(ends, default=0.0), max(ends, default=1.0)
    return [
        Markup(strip({p: one.band(p) for p in LEVELS}, one.median, page.price, scale))
        for one in page.outlooks
    ]


def fans(page: Page) -> list[Panel]:
    """A fan per horizon: history to the origin, bands through the horizons to this one."""
    sessions, prices = _history_to_origin(page)
    knots = [
        charts.Knot(session=o.target, median=o.median, bands={p: o.band(p) for p in LEVELS})
        for o in page.outlooks
    ]
    return [
        _panel(
            f"fan-{page.id}-{one.horizon}",
            f"{_ahead(one.horizon)}, to {formats.day(one.target)}",
            _fan_words(page, one),
            partial(
                charts.fan, sessions, prices, knots[: number + 1], page.unit, actual=one.actual
            ),
        )
        for number, one in enumerate(page.outlooks)
    ]


def _history_to_origin(page: Page) -> tuple[list[date], list[float]]:
    """Prices before the origin as now known, then the price the forecast really started from."""
    if page.origin is None or page.price is None:
        return [], []
    past = zip(page.sessions, page.prices, strict=True)
    earlier = [(session, price) for session, price in past if session < page.origin]
    points = [*earlier, (page.origin, page.price)]
    return [session for session, _ in points], [price for _, price in points]


def _ahead(horizon: str) -> str:
    return f"{formats.horizon(horizon).capitalize()} ahead"


def _fan_words(page: Page, one: Outlook) -> str:
    low, high = one.band(80)
    told = (
        f"Median {formats.price(one.median, page.unit)}, 80{formats.NARROW}% from "
        f"{formats.span(low, high, page.unit)} {page.unit}"
    )
    if one.actual is not None:
        return f"{told}; the price came at {formats.price(one.actual, page.unit)}"
    return f"{told}; target date already passed" if one.passed else told


def actuals(page: Page) -> list[Panel]:
    """Per horizon, past 80 % bands against the prices that came."""
    return [_actual(page, replay) for replay in page.replays]


def _actual(page: Page, replay: Replay) -> Panel:
    low, high = central(replay.quantiles, 80)
    inside = replay.inside(80)
    told = (
        f"{sum(inside)} of {len(inside)} outcomes ({formats.percent(sum(inside) / len(inside))}) "
        f"inside the 80{formats.NARROW}% band"
    )
    middle = at_level(replay.quantiles, 0.5)
    draw = partial(charts.against_actual, replay.targets, low, middle, high, replay.actual)
    return _panel(f"actual-{page.id}-{replay.horizon}", _ahead(replay.horizon), told, draw)


def coverages(page: Page) -> list[Panel]:
    """Per horizon, the rolling share of outcomes inside each band."""
    return [_coverage(page, replay) for replay in page.replays]


def _coverage(page: Page, replay: Replay) -> Panel:
    inside = {percent: replay.inside(percent) for percent in LEVELS}
    number = len(replay.targets)
    window = min(COVERAGE_WINDOW, max(1, number // 3))
    shares = ", ".join(
        f"{percent}{formats.NARROW}% band held {formats.percent(sum(hits) / number)}"
        for percent, hits in inside.items()
    )
    draw = partial(
        charts.coverage, replay.targets, inside, window=window, independent=_independent(replay)
    )
    told = f"Over all {number} forecasts the {shares}; lines: the last {window}"
    return _panel(f"cover-{page.id}-{replay.horizon}", _ahead(replay.horizon), told, draw)


def _independent(replay: Replay) -> float:
    """Independent forecasts per forecast: the gap between origins over the horizon, at most 1."""
    if len(replay.origins) < 2:
        return 1.0
    gap = median((later - earlier).days for earlier, later in pairwise(replay.origins))
    ahead = zip(replay.origins, replay.targets, strict=True)
    return min(1.0, gap / median((target - origin).days for origin, target in ahead))


def skills(morning: Morning) -> list[Panel]:
    """Skill bars per recipe in question and commodity."""
    return [
        panel
        for number, recipe in enumerate(skill.in_question(morning))
        for page in morning.pages
        if (panel := _skill(morning, page, recipe, number)) is not None
    ]


def _skill(morning: Morning, page: Page, recipe: str, number: int) -> Panel | None:
    figures = skill.skills(morning.scores, recipe, page.id)
    shown = [score for label in page.horizons for score in figures if score.horizon == label]
    if not shown:
        return None
    overall = [score for score in figures if score.horizon == skill.EVERYTHING] or shown
    bars = [
        charts.Skill(
            horizon=score.horizon,
            baseline=skill.opponent(score) or "",
            value=score.value,
            low=score.low,
            high=score.high,
        )
        for score in shown
    ]
    title = f"{page.name}, {skill.named(recipe)}: {skill.verdict(overall)}"
    told = " ".join(skill.sentence(score) for score in overall)
    return _panel(f"skill-{number}-{page.id}", title, told, partial(charts.skill, bars))


def histories(pages: tuple[Page, ...]) -> list[Panel]:
    """The whole price record of each commodity."""
    return [
        _panel(
            f"history-{page.id}",
            page.name,
            f"{formats.count(len(page.prices))} prices in {page.unit}, "
            f"{formats.day(page.sessions[0])} to {formats.day(page.sessions[-1])}",
            partial(charts.history, page.sessions, page.prices, page.unit),
        )
        for page in pages
        if page.prices
    ]
