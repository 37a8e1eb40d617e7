"""Skill against the naive forecasts: which figures matter, in words and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cbi_pipeline.report import formats
from cbi_pipeline.report.morning import Morning, Score
from data_contracts.evaluation import CALIBRATED

EVERYTHING = "*"
_SIGN = f"{formats.NARROW}%"
_PREFIX = "skill_vs_"
_UNTRAINED, _PRIOR = "anchored_untrained", "prior"
_NAMES = {
    "climatology": "climatology",
    "ewma": "recent volatility (EWMA)",
    _PRIOR: "the untrained prior",
    "garch_t": "GARCH(1,1)-t",
    "gjr_t": "GJR-GARCH-t",
    "lightgbm": "boosted trees (LightGBM)",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the score table.

    Attributes:
        metric: metric of the scores.
        title: heading.
        write: how the figure is written.
    """

    metric: str
    title: str
    write: Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure and its interval as text; both empty where there is none."""

    value: str = ""
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the score table."""

    horizon: str
    recipe: str
    count: int
    spoke: bool
    cells: tuple[Cell, ...]


def _return(value: float) -> str:
    return formats.percent(value, 2)


_FIXED = (
    Column("crps", "CRPS", _return),
    Column("mae", "Median error", _return),
    Column("width_80", f"Width of 80{_SIGN} band", lambda v: formats.percent(v, 1)),
    Column("coverage_80", f"Inside 80{_SIGN} band", formats.percent),
    Column("hit_rate", "Direction right", formats.percent),
)


def opponent(score: Score) -> str | None:
    """The naive forecast a skill figure is measured against; None for other metrics."""
    return score.metric.removeprefix(_PREFIX) if score.metric.startswith(_PREFIX) else None


def spoke(morning: Morning) -> str | None:
    """The evaluated recipe that is the model that spoke; None when it was not evaluated."""
    if morning.model is None:
        return None
    evaluated = {score.recipe for score in morning.scores}
    recipe = morning.model.recipe
    # Forecasts are issued calibrated. The untrained anchored network is the prior, by construction.
    names = [recipe + CALIBRATED, recipe, *([_PRIOR] if recipe == _UNTRAINED else [])]
    return next((name for name in names if name in evaluated), None)


def named(recipe: str) -> str:
    """A recipe or its calibrated variant, for readers."""
    plain = recipe.removesuffix(CALIBRATED)
    return plain if plain == recipe else f"{plain}, calibrated"


def coverage(morning: Morning) -> list[str]:
    """Sentences on how often the 80 % bands of the recipe that spoke held, pooled and by market."""
    places = {EVERYTHING: "All markets", **{page.id: page.name for page in morning.pages}}
    figures = {
        (score.commodity, score.metric): score
        for score in morning.scores
        if score.recipe == spoke(morning) and score.horizon == EVERYTHING
    }
    return [
        _held(name, held, figures.get((place, "band_80")))
        for place, name in places.items()
        if (held := figures.get((place, "coverage_80"))) is not None
    ]


def _held(name: str, held: Score, band: Score | None) -> str:
    said = f"{name}: the 80{formats.NARROW}% band held {formats.percent(held.value, 1)}"
    if band is None or band.low is None or band.high is None:
        return f"{said} of {held.count} outcomes; too few to judge."
    reach = f"{formats.percent(band.low)} to {formats.percent(band.high)}"
    verdict = "as it should" if band.low <= held.value <= band.high else "outside what chance gives"
    return f"{said} of {held.count} outcomes, {verdict} ({reach})."


def untested(morning: Morning) -> list[str]:
    """Sentences on the commodities that are forecast although nothing of it was judged yet."""
    if not morning.scores:
        return []
    speaker = spoke(morning)
    judged = {score.commodity for score in morning.scores if score.recipe == speaker}
    return [
        f"{page.name}: untested. No past forecast of it could be judged yet."
        for page in morning.pages
        if page.outlooks and page.id not in judged
    ]


def sat_out(morning: Morning) -> list[str]:
    """Sentences on the forecasts that sat out origins, and why."""
    names = {page.id: page.name for page in morning.pages}
    return [
        f"{_capital(_NAMES.get(one.recipe, one.recipe))} sat out {one.absent} of {one.planned} "
        f"past forecasts of {names.get(one.commodity, one.commodity)}, the last from "
        f"{formats.day(one.last)}: {one.reason}."
        for one in morning.absences
    ]


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def in_question(morning: Morning) -> list[str]:
    """Recipes whose skill a reader asks about: the one that spoke, then the gate's challengers.

    A challenger with the very figures of another one is not asked about twice.
    """
    asked = dict.fromkeys([spoke(morning), *(gate.recipe for gate in morning.gates)])
    figures = {name: _figures(morning, name) for name in asked if name is not None}
    distinct: dict[frozenset[tuple[object, ...]], str] = {}
    for name, found in figures.items():
        if found:
            distinct.setdefault(found, name)
    return list(distinct.values())


def _figures(morning: Morning, recipe: str) -> frozenset[tuple[object, ...]]:
    return frozenset(
        (score.commodity, score.horizon, score.metric, score.value)
        for score in morning.scores
        if score.recipe == recipe and opponent(score)
    )


def skills(scores: Iterable[Score], recipe: str, commodity: str) -> list[Score]:
    """A recipe's skill figures on a commodity, as they are ordered in the evaluation."""
    return [
        score
        for score in scores
        if (score.recipe, score.commodity) == (recipe, commodity) and opponent(score)
    ]


def verdict(figures: Iterable[Score]) -> str:
    """The verdict over skill figures in plain words; figures without an interval count for none."""
    told = [(s.low, s.high) for s in figures if s.low is not None and s.high is not None]
    if not told:
        return "too few forecasts to judge"
    if any(high < 0 for _, high in told):
        return "worse than a naive forecast"
    if all(low > 0 for low, _ in told):
        return "skill shown against every naive forecast"
    if any(low > 0 for low, _ in told):
        return "skill shown against some naive forecasts, not all"
    return "no skill shown"


def sentence(score: Score) -> str:
    """One skill figure in words."""
    against = opponent(score) or score.metric
    name = _NAMES.get(against, against)
    if score.low is None or score.high is None:
        return f"Too few forecasts to tell it from {name}."
    if score.low == score.high == 0:
        return f"The same as {name}."
    reach = (
        f"skill {formats.signed_percent(score.value)}, 90{formats.NARROW}% interval "
        f"{formats.percent_span(score.low, score.high)}"
    )
    if score.low > 0:
        return f"Better than {name}: {reach}."
    if score.high < 0:
        return f"Worse than {name}: {reach}."
    return f"Not distinguishable from {name}: {reach}."


def columns(scores: Sequence[Score]) -> list[Column]:
    """Columns of the score table: the fixed metrics, then skill against each opponent."""
    metrics = dict.fromkeys(score.metric for score in scores)
    recipes = dict.fromkeys([*_NAMES, *(score.recipe for score in scores)])
    return [
        *_FIXED,
        *(
            Column(metric, f"Skill vs {recipe}", formats.signed_percent)
            for recipe in recipes
            if (metric := f"{_PREFIX}{recipe}") in metrics
        ),
    ]


def lines(morning: Morning, commodity: str, horizons: Iterable[str]) -> list[Line]:
    """Lines of a commodity's score table: each horizon, then all; each recipe in turn.

    The untrained anchored network is left out beside the prior, which it equals.
    """
    mine = [score for score in morning.scores if score.commodity == commodity]
    cells = {(s.horizon, s.recipe, s.metric): s for s in mine}
    speaker, shown = spoke(morning), columns(morning.scores)
    recipes = dict.fromkeys(s.recipe for s in mine)
    if _PRIOR in recipes and speaker != _UNTRAINED:
        recipes.pop(_UNTRAINED, None)
    return [
        Line(
            horizon,
            named(recipe),
            max(s.count for s in mine if (s.horizon, s.recipe) == (horizon, recipe)),
            recipe == speaker,
            tuple(_cell(cells.get((horizon, recipe, c.metric)), c) for c in shown),
        )
        for horizon in [*horizons, EVERYTHING]
        for recipe in recipes
        if any((s.horizon, s.recipe) == (horizon, recipe) for s in mine)
    ]


def _cell(score: Score | None, column: Column) -> Cell:
    if score is None:
        return Cell()
    value = column.write(score.value)
    if score.low is None or score.high is None:
        return Cell(value)
    low, high = (column.write(end).removesuffix(_SIGN) for end in (score.low, score.high))
    return Cell(value, f"{low} to {high}")
