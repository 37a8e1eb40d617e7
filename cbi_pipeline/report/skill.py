"""Skill against the naive forecasts: which figures matter, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from cbi_pipeline.catalogue import NAIVE
from cbi_pipeline.report import formats
from cbi_pipeline.report.forecasts import CommoditySection
from data_contracts.evaluation import CALIBRATED

EVERYTHING = "*"
SKILL = "skill_vs_"
BETTER, WORSE, RESOLVABLE = "p_better_vs_", "p_worse_vs_", "resolvable_vs_"
# A verdict is given at this chance of any wrong one about a recipe, over all of its figures.
LEVEL = 0.05
# A band of chance wider than this says nothing about coverage.
WIDEST_REACH = 0.20
NAMES = {
    "climatology": "climatology",
    "ewma": "recent volatility (EWMA)",
    "prior": "the prior",
    "garch_t": "GARCH(1,1)-t",
    "gjr_t": "GJR-GARCH-t",
    "har": "past absolute returns (HAR)",
    "combined": "the combined forecast",
    "lightgbm": "boosted trees (LightGBM)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One figure of one recipe; commodity and horizon are ``*`` for all of them."""

    recipe: str
    commodity: str
    horizon: str
    metric: str
    value: float
    low: float | None
    high: float | None
    count: int

    @property
    def opponent(self) -> str | None:
        """The naive forecast a skill figure is measured against; None for other metrics."""
        return self.metric.removeprefix(SKILL) if self.metric.startswith(SKILL) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Origins of a commodity that a recipe had too little history to forecast."""

    recipe: str
    commodity: str
    absent: int
    planned: int
    last: date
    reason: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The figures of the newest evaluation.

    Attributes:
        scores: naive forecasts first.
        absences: what was sat out, by recipe.
        in_use: the evaluated recipe that is the model in use; None when it was not evaluated.
        challengers: recipes that the gate has ruled on.
        rounds: sentences on the round of the figures and that of the recipe in use.
    """

    scores: tuple[Score, ...] = ()
    absences: tuple[Absence, ...] = ()
    in_use: str | None = None
    challengers: tuple[str, ...] = ()
    rounds: tuple[str, ...] = ()

    @cached_property
    def by_commodity(self) -> dict[str, list[Score]]:
        """The scores of each commodity, and of all under ``*``, as they are ordered."""
        parts: dict[str, list[Score]] = {}
        for score in self.scores:
            parts.setdefault(score.commodity, []).append(score)
        return parts

    @cached_property
    def recipes_in_question(self) -> list[str]:
        """Recipes whose skill a reader asks about: the one in use, then the gate's challengers.

        A challenger with the very figures of another one is not asked about twice.
        """
        asked = dict.fromkeys(filter(None, [self.in_use, *self.challengers]))
        figures: dict[str, set[tuple[object, ...]]] = {name: set() for name in asked}
        for score in self.scores:
            if score.recipe in figures and score.opponent:
                figure = (score.commodity, score.horizon, score.metric, score.value)
                figures[score.recipe].add(figure)
        distinct: dict[frozenset[tuple[object, ...]], str] = {}
        for name, own in figures.items():
            if own:
                distinct.setdefault(frozenset(own), name)
        return list(distinct.values())

    @property
    def shows_skill(self) -> bool:
        """Whether the model in use beats every naive forecast, all markets and horizons together.

        Each of the pooled intervals must lie above zero: a model that equals one of them passes by
        chance in one of twenty records.
        """
        cell = self.find_cell(self.in_use or "", EVERYTHING, EVERYTHING)
        lows = {score.opponent: score.low for score in cell if score.opponent}
        return all((lows.get(name) or 0.0) > 0.0 for name in NAIVE)

    def find_skills(self, recipe: str, commodity: str) -> list[Score]:
        """A recipe's skill figures on a commodity, as they are ordered in the evaluation."""
        own = self.by_commodity.get(commodity, [])
        return [score for score in own if score.recipe == recipe and score.opponent]

    def find_cell(self, recipe: str, commodity: str, horizon: str) -> list[Score]:
        """A recipe's figures in one cell."""
        own = self.by_commodity.get(commodity, [])
        return [score for score in own if (score.recipe, score.horizon) == (recipe, horizon)]


def find_evaluated(model_recipe: str | None, scores: Iterable[Score]) -> str | None:
    """The evaluated recipe that is the model in use; None when it was not evaluated."""
    if model_recipe is None:
        return None
    evaluated = {score.recipe for score in scores}
    names = [model_recipe + CALIBRATED, model_recipe]  # forecasts are issued calibrated
    return next((name for name in names if name in evaluated), None)


def describe_coverage(evidence: Evidence, commodities: Sequence[CommoditySection]) -> list[str]:
    """Sentences on how often the 80 % bands of the recipe in use held, pooled and by market."""
    markets = {EVERYTHING: "All markets"}
    markets |= {commodity.id: commodity.name for commodity in commodities}
    figures = {
        (score.commodity, score.metric): score
        for score in evidence.scores
        if score.recipe == evidence.in_use and score.horizon == EVERYTHING
    }
    return [
        _describe_band(name, share, figures.get((market, "band_80")))
        for market, name in markets.items()
        if (share := figures.get((market, "coverage_80"))) is not None
    ]


def _describe_band(name: str, share: Score, band: Score | None) -> str:
    words = f"{name}: the 80{formats.NARROW}% band held {formats.percent(share.value, 1)}"
    if band is None or band.low is None or band.high is None:
        return f"{words} of {share.count} outcomes; too few to judge."
    reach = f"{formats.percent(band.low)} to {formats.percent(band.high)}"
    chance = f"a band that truly holds 80{formats.NARROW}% shows {reach} on such a record"
    if not band.low <= share.value <= band.high:
        judged = f"more than chance explains: {chance}"
    elif band.high - band.low > WIDEST_REACH:
        judged = f"too few that share no news to tell: {chance}"
    else:
        judged = f"within what chance explains: {chance}"
    return f"{words} of {share.count} outcomes, {judged}."


def describe_tenths(chance: float | None) -> str:
    """Whether outcomes fell evenly over the stated distributions, in words.

    Args:
        chance: that even ones look as uneven as these; None with too few outcomes for a test.
    """
    if chance is None:
        return "Too few outcomes that share no news to tell whether they fall evenly."
    odds = f"even ones look as uneven in {formats.percent(chance)} of records"
    if chance <= LEVEL:
        return f"They do not fall evenly: {odds}, overlap allowed for."
    return f"Within what chance explains: {odds}, overlap allowed for."


def describe_untested(evidence: Evidence, commodities: Sequence[CommoditySection]) -> list[str]:
    """Sentences on the commodities that are forecast although nothing of it was judged yet."""
    if not evidence.scores:
        return []
    judged = {score.commodity for score in evidence.scores if score.recipe == evidence.in_use}
    return [
        f"{commodity.name}: never tested. No past forecast of it could be judged yet."
        for commodity in commodities
        if commodity.forecasts and commodity.id not in judged
    ]


def describe_absences(evidence: Evidence, commodities: Sequence[CommoditySection]) -> list[str]:
    """Sentences on the forecasts that sat out origins, and why."""
    names = {commodity.id: commodity.name for commodity in commodities}
    return [
        f"{_capitalise(NAMES.get(absence.recipe, absence.recipe))} sat out {absence.absent} of "
        f"{absence.planned} past forecasts of {names.get(absence.commodity, absence.commodity)}, "
        f"the last from {formats.day(absence.last)}: {absence.reason}."
        for absence in evidence.absences
    ]


def _capitalise(words: str) -> str:
    return words[0].upper() + words[1:]


def judge_horizons(evidence: Evidence, recipe: str, commodity: CommoditySection) -> str:
    """The verdict on a recipe at each horizon of a commodity; horizons that share one, together."""
    verdicts: dict[str, list[str]] = {}
    for label in commodity.horizons:
        cell = evidence.find_cell(recipe, commodity.id, label)
        if cell:
            verdicts.setdefault(judge_skill(cell), []).append(formats.horizon(label))
    if len(verdicts) == 1:
        return next(iter(verdicts))
    return "; ".join(f"{', '.join(labels)}: {verdict}" for verdict, labels in verdicts.items())


def judge_skill(cell: Iterable[Score]) -> str:
    """The verdict over the figures of a recipe in one cell, in plain words.

    The chances that they state are already those of any wrong verdict about the recipe, whatever
    the number of its cells and opponents. What is not shown is not denied: the smallest gain that
    the sample would show stands beside it.
    """
    figures = {score.metric: score.value for score in cell}
    better = [p <= LEVEL for metric, p in figures.items() if metric.startswith(BETTER)]
    if not better:
        return "too few forecasts to judge"
    if any(p <= LEVEL for metric, p in figures.items() if metric.startswith(WORSE)):
        return "worse than a naive forecast"
    if all(better):
        return "skill shown against every naive forecast"
    if any(better):
        return "skill shown against some naive forecasts, not all"
    unseen = [gain for metric, gain in figures.items() if metric.startswith(RESOLVABLE)]
    least = f" (gains under {formats.percent(min(unseen), 1)} go unseen)" if unseen else ""
    return f"no skill shown{least}"


def describe_skill(score: Score) -> str:
    """One skill figure in words; it is no verdict, since there are many such figures."""
    against = score.opponent or score.metric
    name = NAMES.get(against, against)
    if score.low is None or score.high is None:
        return f"Too few forecasts to tell it from {name}."
    if score.low == score.high == 0:
        return f"The same as {name}."
    return (
        f"Against {name}: skill {formats.signed_percent(score.value)}, "
        f"90{formats.NARROW}% interval {formats.percent_span(score.low, score.high)}."
    )
