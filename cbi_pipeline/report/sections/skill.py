"""Skill against the naive forecasts: the newest evaluation in words, bars and a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from cbi_pipeline.report import formats
from cbi_pipeline.report.forecasts import CommoditySection
from cbi_pipeline.report.morning import MorningReport, Section
from cbi_pipeline.report.panels import Panel, draw_panel
from cbi_pipeline.report.rounds import describe_rounds, read_rounds
from cbi_pipeline.report.sections.model import select_gate_decisions
from cbi_pipeline.report.skill import (
    EVERYTHING,
    NAMES,
    SKILL,
    Absence,
    Evidence,
    Score,
    describe_absences,
    describe_coverage,
    describe_skill,
    describe_tenths,
    describe_untested,
    find_evaluated,
    judge_horizons,
)
from cbi_pipeline.report.source import ReportSource
from data_contracts.evaluation import name_recipes

_SIGN = f"{formats.NARROW}%"


def read_evidence(source: ReportSource) -> Evidence:
    """Figures of the evaluation that the gate saw last, naive forecasts first."""
    chosen = ("evaluation_id = ?", [source.evaluation_id])
    rows = source.store.table("evaluation.score", *chosen)
    naive = [m.removeprefix(SKILL) for m in rows["metric"].unique() if SKILL in m]
    ordered = rows.sort(
        ~pl.col("recipe").is_in(naive), "recipe", "commodity", "horizon", "metric"
    ).drop("evaluation_id")
    absences = source.store.table("evaluation.absence", *chosen).drop("evaluation_id")
    scores = tuple(Score(**row) for row in ordered.iter_rows(named=True))
    return Evidence(
        scores=scores,
        absences=tuple(
            Absence(**row) for row in absences.sort("recipe", "commodity").iter_rows(named=True)
        ),
        in_use=find_evaluated(source.model.recipe if source.model else None, scores),
        challengers=tuple(select_gate_decisions(source)["recipe"]),
        rounds=tuple(describe_rounds(*read_rounds(source))),
    )


def describe_evidence(report: MorningReport) -> list[list[str]]:
    """Lists of sentences: the rounds; how the bands held; what was not tested or sat out."""
    evidence, commodities = report.part(SECTION), report.commodities
    untested = describe_untested(evidence, commodities)
    return [
        list(evidence.rounds),
        describe_coverage(evidence, commodities),
        untested + describe_absences(evidence, commodities),
    ]


def draw_skills(report: MorningReport) -> list[Panel]:
    """Skill bars per recipe in question and commodity."""
    evidence = report.part(SECTION)
    return [
        panel
        for number, recipe in enumerate(evidence.recipes_in_question)
        for commodity in report.commodities
        if (panel := _draw_skill(evidence, commodity, recipe, f"skill-{number}-{commodity.id}"))
        is not None
    ]


def draw_tenths(report: MorningReport) -> list[Panel]:
    """How the outcomes fell over the distributions of the recipe in use, per commodity."""
    evidence = report.part(SECTION)
    return [
        panel
        for commodity in report.commodities
        if (panel := _draw_tenths(evidence, commodity)) is not None
    ]


def _draw_tenths(evidence: Evidence, commodity: CommoditySection) -> Panel | None:
    from cbi_pipeline.report import charts

    cell = evidence.find_cell(evidence.in_use or "", commodity.id, EVERYTHING)
    figures = {score.metric: score.value for score in cell}
    shares = [figures[name] for n in range(1, 11) if (name := f"pit_{n}") in figures]
    if not shares:
        return None
    title = f"{commodity.name}: where outcomes fell in what was stated"
    return draw_panel(
        f"tenths-{commodity.id}",
        title,
        describe_tenths(figures.get("p_pit")),
        partial(charts.tenths, shares),
    )


def _draw_skill(
    evidence: Evidence, commodity: CommoditySection, recipe: str, key: str
) -> Panel | None:
    from cbi_pipeline.report import charts

    figures = evidence.find_skills(recipe, commodity.id)
    shown = [score for label in commodity.horizons for score in figures if score.horizon == label]
    if not shown:
        return None
    overall = [score for score in figures if score.horizon == EVERYTHING] or shown
    bars = [
        charts.Skill(
            horizon=score.horizon,
            baseline=score.opponent or "",
            value=score.value,
            low=score.low,
            high=score.high,
        )
        for score in shown
    ]
    title = (
        f"{commodity.name}, {name_recipes(recipe)}: {judge_horizons(evidence, recipe, commodity)}"
    )
    caption = " ".join(describe_skill(score) for score in overall)
    return draw_panel(key, title, caption, partial(charts.skill, bars))


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
    is_in_use: bool
    cells: tuple[Cell, ...]


def _write_return(value: float) -> str:
    return formats.percent(value, 2)


_FIXED = (
    Column("crps", "CRPS", _write_return),
    Column("tail_crps", "CRPS of the tails", _write_return),
    Column("mae", "Median error", _write_return),
    Column("width_80", f"Width of 80{_SIGN} band", lambda v: formats.percent(v, 1)),
    Column("coverage_80", f"Inside 80{_SIGN} band", formats.percent),
    Column("hit_rate", "Direction right", formats.percent),
)


def list_columns(scores: Sequence[Score]) -> list[Column]:
    """Columns of the score table: the fixed metrics, then skill against each opponent."""
    metrics = dict.fromkeys(score.metric for score in scores)
    recipes = dict.fromkeys([*NAMES, *(score.recipe for score in scores)])
    return [
        *_FIXED,
        *(
            Column(metric, f"Skill vs {recipe}", formats.signed_percent)
            for recipe in recipes
            if (metric := f"{SKILL}{recipe}") in metrics
        ),
    ]


def list_lines(
    evidence: Evidence, commodity: str, horizons: Iterable[str], columns: Sequence[Column]
) -> list[Line]:
    """Lines of a commodity's score table: each horizon, then all; each recipe in turn."""
    own = evidence.by_commodity.get(commodity, [])
    cells = {(s.horizon, s.recipe, s.metric): s for s in own}
    recipes = dict.fromkeys(s.recipe for s in own)
    counts: dict[tuple[str, str], int] = {}
    for s in own:
        counts[s.horizon, s.recipe] = max(s.count, counts.get((s.horizon, s.recipe), 0))
    return [
        Line(
            horizon,
            _name_forecast(recipe, cells.get((horizon, recipe, "levels"))),
            counts[horizon, recipe],
            recipe == evidence.in_use,
            tuple(_write_cell(cells.get((horizon, recipe, c.metric)), c) for c in columns),
        )
        for horizon in [*horizons, EVERYTHING]
        for recipe in recipes
        if (horizon, recipe) in counts
    ]


def _name_forecast(recipe: str, levels: Score | None) -> str:
    name = name_recipes(recipe)
    return f"{name}; stands apart: {levels.value:.0f} levels" if levels else name


def _write_cell(score: Score | None, column: Column) -> Cell:
    if score is None:
        return Cell()
    value = column.write(score.value)
    if score.low is None or score.high is None:
        return Cell(value)
    low, high = (column.write(end).removesuffix(_SIGN) for end in (score.low, score.high))
    return Cell(value, f"{low} to {high}")


TEMPLATE = """\
<section id="skill">
<h2>Skill against naive forecasts</h2>
{% if part.scores %}
<p class="lede">Skill is the share of a naive forecast's loss (CRPS) that is saved; whiskers are
90&#8239;% intervals. Of many intervals some exclude zero by chance, so the verdict on each horizon
allows for all markets, horizons and naive forecasts together: where a forecast is as good as the
naive ones, one page in twenty calls it worse anywhere. Figures over several horizons or markets
weigh each by its outcomes that share no news.</p>
{% for sentences in describe_evidence(report) if sentences %}
<ul class="held">{% for sentence in sentences %}<li>{{ sentence }}</li>{% endfor %}</ul>
{% endfor %}
<div class="panels two">
{% for panel in draw_skills(report) %}{{ figure(panel, "h3") }}{% endfor %}
</div>
<div class="panels two">
{% for panel in draw_tenths(report) %}{{ figure(panel, "h3") }}{% endfor %}
</div>
{% set columns = list_columns(part.scores) %}
{% for commodity in report.commodities %}
{% set lines = list_lines(part, commodity.id, commodity.horizons, columns) %}
{% if lines %}
<h3>{{ commodity.name }}: all figures</h3>
<div class="scroll" tabindex="0" role="region" aria-label="Scores of {{ commodity.name }}">\
<table class="scores">
<thead><tr><th scope="col">Horizon</th><th scope="col">Forecast</th>
{% for column in columns %}<th scope="col" class="n">{{ column.title }}</th>{% endfor %}
<th scope="col" class="n">Forecasts</th></tr></thead>
<tbody>
{% for line in lines %}
<tr class="{{ 'first' if loop.first or loop.previtem.horizon != line.horizon }}\
{{ ' in-use' if line.is_in_use }}"><th scope="row">\
{{ f.horizon(line.horizon) | capitalize if line.horizon != EVERYTHING else "All horizons" }}</th>
<td>{{ line.recipe }}{% if line.is_in_use %} <span class="tag">in use</span>{% endif %}</td>
{% for cell in line.cells %}<td class="n">{{ cell.value }}\
{% if cell.interval %}<span class="soft">{{ cell.interval }}</span>{% endif %}</td>{% endfor %}
<td class="n">{{ f.count(line.count) }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% endfor %}
<p class="foot">CRPS, median error and width are in percent of the price. Small figures: 90&#8239;%
intervals.</p>
{% else %}
<p class="lede">No walk-forward evaluation has been run yet, so nothing is known of this model's
skill.</p>
{% endif %}
</section>
"""

SECTION = Section(
    name="skill",
    title="Skill",
    anchor="skill",
    read=read_evidence,
    template=TEMPLATE,
    helpers={
        "EVERYTHING": EVERYTHING,
        "describe_evidence": describe_evidence,
        "draw_skills": draw_skills,
        "draw_tenths": draw_tenths,
        "list_columns": list_columns,
        "list_lines": list_lines,
    },
)
