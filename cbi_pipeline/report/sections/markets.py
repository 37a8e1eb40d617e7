"""Each commodity that is forecast: what is expected, what moved, its fans."""

from __future__ import annotations

from datetime import date
from functools import partial

from cbi_pipeline.report import formats
from cbi_pipeline.report.forecasts import CommoditySection, HorizonForecast
from cbi_pipeline.report.morning import Section, read_nothing
from cbi_pipeline.report.panels import LEVELS, Panel, draw_panel


def draw_fans(one: CommoditySection) -> list[Panel]:
    """A fan per horizon: history to the origin, bands through the horizons to this one."""
    from cbi_pipeline.report import charts

    sessions, prices = _history_to_origin(one)
    knots = [
        charts.Knot(session=f.target, median=f.median, bands={p: f.band(p) for p in LEVELS})
        for f in one.forecasts
    ]
    return [
        draw_panel(
            f"fan-{one.id}-{f.horizon}",
            f"{formats.ahead(f.horizon)}, to {formats.day(f.target)}",
            _describe_fan(one, f),
            partial(charts.fan, sessions, prices, knots[: number + 1], one.unit, actual=f.actual),
        )
        for number, f in enumerate(one.forecasts)
    ]


def _history_to_origin(one: CommoditySection) -> tuple[list[date], list[float]]:
    """Prices before the origin as now known, then the price the forecast really started from."""
    if one.origin is None or one.price is None:
        return [], []
    past = zip(one.sessions, one.prices, strict=True)
    earlier = [(session, price) for session, price in past if session < one.origin]
    points = [*earlier, (one.origin, one.price)]
    return [session for session, _ in points], [price for _, price in points]


def _describe_fan(one: CommoditySection, forecast: HorizonForecast) -> str:
    low, high = forecast.band(80)
    words = (
        f"Median {formats.price(forecast.median, one.unit)}, 80{formats.NARROW}% from "
        f"{formats.span(low, high, one.unit)} {one.unit}"
    )
    if forecast.actual is not None:
        return f"{words}; the price came at {formats.price(forecast.actual, one.unit)}"
    return f"{words}; target date already passed" if forecast.passed else words


def describe_forecast(one: CommoditySection, forecast: HorizonForecast) -> str:
    """The key message of one forecast."""
    low, high = forecast.band(80)
    return (
        f"{formats.horizon(forecast.horizon).capitalize()} after its last price, on "
        f"{formats.day(forecast.target)}, the price lies between {formats.price(low, one.unit)} "
        f"and {formats.money(high, one.unit)} with 80{formats.NARROW}% probability, and above the "
        f"last price with {formats.percent(forecast.up)}."
    )


def describe_change(one: CommoditySection) -> str:
    """What changed since the forecast before, in one sentence."""
    before = one.before
    if before is None or one.price is None or one.origin is None:
        return "This is the first live forecast of this commodity."
    then = formats.day(formats.desk_day(before.as_of))
    if before.origin == one.origin:
        return f"No new price since the forecast of {then}: its origin is carried on."
    gap = formats.change(one.price - before.price, one.unit, one.price)
    return (
        f"Since the forecast of {then} the last price moved by {gap} {one.unit}: from "
        f"{formats.price(before.price, one.unit)} ({formats.day(before.origin)}) to "
        f"{formats.price(one.price, one.unit)} ({formats.day(one.origin)})."
    )


TEMPLATE = """\
{% for one in report.commodities if one.forecasts %}
<section class="commodity" id="{{ one.id }}">
<h2>{{ one.name }}</h2>
<div class="{{ 'beside' if one.before }}">
<p class="lede">{{ describe_forecast(one, one.forecasts[-1]) }} {{ describe_change(one) }}</p>
{% if one.before %}
<table class="moved">
<caption>Since the forecast of {{ f.day(f.desk_day(one.before.as_of)) }} \
(model {{ one.before.model }}), {{ one.unit }}</caption>
<thead><tr><th scope="col"><span class="hidden">What</span></th>
<th scope="col" class="n">Before</th><th scope="col" class="n">Now</th>
<th scope="col" class="n">Change</th></tr></thead>
<tbody>
<tr><th scope="row">Last price</th>
<td class="n">{{ f.price(one.before.price, one.unit) }}</td>
<td class="n">{{ f.price(one.price, one.unit) }}</td>
<td class="n">{{ f.change(one.price - one.before.price, one.unit, one.price) }}</td></tr>
{% for row in one.forecasts if row.horizon in one.before.medians %}
{% set median = one.before.medians[row.horizon] %}
<tr><th scope="row">Median, {{ f.horizon(row.horizon) }}</th>
<td class="n">{{ f.price(median, one.unit) }}</td>
<td class="n">{{ f.price(row.median, one.unit) }}</td>
<td class="n">{{ f.change(row.median - median, one.unit, row.median) }}</td></tr>
{% endfor %}
</tbody></table>
{% endif %}
</div>
<p class="legend"><span><i class="line"></i>price</span>\
<span><i class="swatch b50"></i>50&#8239;%</span><span><i class="swatch b80"></i>80&#8239;%</span>\
<span><i class="swatch b90"></i>90&#8239;%</span><span><i class="ring"></i>median</span>\
{% if one.forecasts | rejectattr("actual", "none") | list %}\
<span><i class="diamond"></i>what came</span>{% endif %}\
<span class="unit">{{ one.unit }}</span></p>
<div class="panels">
{% for panel in draw_fans(one) %}{{ figure(panel, "h3") }}{% endfor %}
</div>
</section>
{% endfor %}
"""

SECTION = Section(
    name="markets",
    read=read_nothing,
    template=TEMPLATE,
    helpers={
        "describe_change": describe_change,
        "describe_forecast": describe_forecast,
        "draw_fans": draw_fans,
    },
)
