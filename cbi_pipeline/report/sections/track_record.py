"""Past forecasts against the prices that came, and how often their bands held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import pairwise
from statistics import median

import polars as pl

from cbi_pipeline.report import formats
from cbi_pipeline.report.commodities import label_horizon, split_commodities
from cbi_pipeline.report.forecasts import CommoditySection, at_level, pick_band
from cbi_pipeline.report.morning import ModelCard, Section
from cbi_pipeline.report.panels import LEVELS, Panel, draw_panel
from cbi_pipeline.report.source import ReportSource

COVERAGE_WINDOW = 26
_FORECAST_KEY = ["track", "as_of", "commodity", "horizon", "model_version"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Past forecasts of one commodity and horizon whose outcome is public, by target session.

    Attributes:
        horizon: label.
        origins: last session that each forecast saw.
        targets: session forecast.
        quantiles: per level, the price forecast at each target.
        actual: price that came.
    """

    horizon: str
    origins: tuple[date, ...]
    targets: tuple[date, ...]
    quantiles: Mapping[float, tuple[float, ...]]
    actual: tuple[float, ...]

    def inside(self, percent: int) -> tuple[bool, ...]:
        """Whether each outcome lay in the pick_band band of 50, 80 or 90 percent."""
        low, high = pick_band(self.quantiles, percent)
        return tuple(a <= y <= b for a, y, b in zip(low, self.actual, high, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRecord:
    """The replayed forecasts of one recipe.

    Attributes:
        recipe: whose; None when nothing was replayed.
        replays: per commodity, shortest horizon first; commodities without any are left out.
    """

    recipe: str | None = None
    replays: Mapping[str, tuple[Replay, ...]]


def read_track_record(source: ReportSource) -> TrackRecord:
    """Replays of the recipe in use, or of the one replayed last, whose targets came."""
    rows = source.store.table("issued.forecast", "track = 'replay' AND as_of <= ?", [source.as_of])
    recipe, own = _choose_recipe(rows, source.model)
    came = (
        own.filter(pl.col("target_session") < formats.desk_day(source.as_of))
        .join(source.outcomes.select(*_FORECAST_KEY, "actual_price"), on=_FORECAST_KEY)
        .sort("horizon", "quantile", "target_session", "as_of")
    )
    parts = split_commodities(came)
    replays = {
        commodity.id: tuple(
            _read_replay(label_horizon(commodity, part["horizon"][0]), part)
            for part in parts[commodity.id].partition_by("horizon", maintain_order=True)
        )
        for commodity in source.catalogue.commodities
        if commodity.id in parts
    }
    return TrackRecord(recipe=recipe, replays=replays)


def _choose_recipe(
    replays: pl.DataFrame, model: ModelCard | None
) -> tuple[str | None, pl.DataFrame]:
    rows = replays.with_columns(recipe=pl.col("model_version").str.split("@").list.first())
    if rows.is_empty():
        return None, rows
    newest: str = rows.sort("sequence")["recipe"][-1]
    has_own = model is not None and (rows["recipe"] == model.recipe).any()
    chosen = model.recipe if model is not None and has_own else newest
    return chosen, rows.filter(pl.col("recipe") == chosen)


def _read_replay(label: str, rows: pl.DataFrame) -> Replay:
    levels = rows.partition_by("quantile", maintain_order=True)
    return Replay(
        horizon=label,
        origins=tuple(levels[0]["origin_session"]),
        targets=tuple(levels[0]["target_session"]),
        quantiles={level["quantile"][0]: tuple(level["price"]) for level in levels},
        actual=tuple(levels[0]["actual_price"]),
    )


def draw_outcomes(commodity: CommoditySection, replays: tuple[Replay, ...]) -> list[Panel]:
    """Per horizon, past 80 % bands against the prices that came."""
    return [_draw_outcome(commodity, replay) for replay in replays]


def _draw_outcome(commodity: CommoditySection, replay: Replay) -> Panel:
    from cbi_pipeline.report import charts

    low, high = pick_band(replay.quantiles, 80)
    inside = replay.inside(80)
    caption = (
        f"{sum(inside)} of {len(inside)} outcomes ({formats.percent(sum(inside) / len(inside))}) "
        f"inside the 80{formats.NARROW}% band"
    )
    middle = at_level(replay.quantiles, 0.5)
    draw = partial(charts.against_actual, replay.targets, low, middle, high, replay.actual)
    key = f"actual-{commodity.id}-{replay.horizon}"
    return draw_panel(key, formats.horizon_heading(replay.horizon), caption, draw)


def draw_coverages(commodity: CommoditySection, replays: tuple[Replay, ...]) -> list[Panel]:
    """Per horizon, the rolling share of outcomes inside each band."""
    return [_draw_coverage(commodity, replay) for replay in replays]


def _draw_coverage(commodity: CommoditySection, replay: Replay) -> Panel:
    from cbi_pipeline.report import charts

    inside = {percent: replay.inside(percent) for percent in LEVELS}
    number = len(replay.targets)
    window = min(COVERAGE_WINDOW, max(1, number // 3))
    shares = ", ".join(
        f"{percent}{formats.NARROW}% band held {formats.percent(sum(hits) / number)}"
        for percent, hits in inside.items()
    )
    independent = _independent_share(replay)
    draw = partial(charts.coverage, replay.targets, inside, window=window, independent=independent)
    caption = f"Over all {number} forecasts the {shares}; lines: the last {window}"
    key = f"cover-{commodity.id}-{replay.horizon}"
    return draw_panel(key, formats.horizon_heading(replay.horizon), caption, draw)


def _independent_share(replay: Replay) -> float:
    """Independent forecasts per forecast: the gap between origins over the horizon, at most 1."""
    if len(replay.origins) < 2:
        return 1.0
    gap = median((later - earlier).days for earlier, later in pairwise(replay.origins))
    ahead = zip(replay.origins, replay.targets, strict=True)
    return min(1.0, gap / median((target - origin).days for origin, target in ahead))


TEMPLATE = """\
{% if part.replays %}
<section id="record">
<h2>Track record</h2>
<p class="lede">Forecasts of the recipe {{ part.recipe }}, replayed walk-forward, each by a model
that had seen only what was public before it, against the prices that came.</p>
{% for commodity in report.commodities if commodity.id in part.replays %}
{% set replays = part.replays[commodity.id] %}
<h3>{{ commodity.name }}: forecast against actual</h3>
<p class="legend"><span><i class="line"></i>price that came</span>\
<span><i class="swatch b80"></i>80&#8239;% band</span><span><i class="line blue"></i>median</span>\
<span><i class="dot"></i>outside the band</span>\
<span class="unit">{{ commodity.unit }}, by target date</span></p>
<div class="panels">
{% for panel in draw_outcomes(commodity, replays) %}{{ figure(panel) }}{% endfor %}
</div>
<h3>{{ commodity.name }}: coverage over time</h3>
<p class="legend"><span>Share of recent outcomes inside each band. Broken line: where it should
be. Strip: what chance alone would give the 80&#8239;% band; overlapping forecasts count for
less.</span></p>
<div class="panels">
{% for panel in draw_coverages(commodity, replays) %}{{ figure(panel) }}{% endfor %}
</div>
{% endfor %}
</section>
{% endif %}
"""

SECTION = Section(
    name="track_record",
    title="Track record",
    anchor="record",
    read=read_track_record,
    template=TEMPLATE,
    helpers={"draw_coverages": draw_coverages, "draw_outcomes": draw_outcomes},
)
