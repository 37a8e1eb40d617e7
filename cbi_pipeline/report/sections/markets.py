"""Each commodity that is forecast: what is expected, what moved, its fans."""

from __future__ import annotations

from datetime import date
from functools import partial

from cbi_pipeline.report import formats
from cbi_pipeline.report.forecasts import CommoditySection, HorizonForecast
from cbi_pipeline.report.morning import Section, read_nothing
from cbi_pipeline.report.panels import LEVELS, Panel, draw_panel


def draw_fans(commodity: CommoditySection) -> list[Panel]:
    """A fan per horizon: history to the origin, bands through the horizons to this one."""
    from cbi_pipeline.report import charts

    sessions, prices = _history_to_origin(commodity)
    knots = [
        charts.Knot(session=f.target, median=f.median, bands={p: f.band(p) for p in LEVELS})
        for f in commodity.forecasts
    ]
    return [
        draw_panel(
            f"fan-{commodity.id}-{f.horizon}",
            f"{formats.horizon_heading(f.horizon)}, to {formats.day(f.target)}",
            _describe_fan(commodity, f),
            partial(
                charts.fan, sessions, prices, knots[: number + 1], commodity.unit, actual=f.actual
            ),
        )
        for number, f in enumerate(commodity.forecasts)
    ]


def _history_to_origin(commodity: CommoditySection) -> tuple[list[date], list[float]]:
    """Prices before the origin as now known, then the price the forecast really started from."""
    if commodity.origin is None or commodity.price is None:
        return [], []
    past = zip(commodity.sessions, commodity.prices, strict=True)
    earlier = [(session, price) for session, price in past if session < commodity.origin]
    points = [*earlier, (commodity.origin, commodity.price)]
    return [session for session, _ in points], [price for _, price in points]


def _describe_fan(commodity: CommoditySection, forecast: HorizonForecast) -> str:
    low, high = forecast.band(80)
    words = (
        f"Median {formats.price(forecast.median, commodity.unit)}, 80{formats.NARROW}% from "
        f"{formats.span(low, high, commodity.unit)} {commodity.unit}"
    )
    if forecast.actual is not None:
        return f"{words}; the price came at {formats.price(forecast.actual, commodity.unit)}"
    return f"{words}; target date already passed" if forecast.passed else words


def describe_forecast(commodity: CommoditySection, forecast: HorizonForecast) -> str:
    """The key message of one forecast."""
    low, high = forecast.band(80)
    return (
        f"{formats.horizon(forecast.horizon).capitalize()} after its last price, on "
        f"{formats.day(forecast.target)}, the price lies between "
        f"{formats.price(low, commodity.unit)} and {formats.money(high, commodity.unit)} with "
        f"80{formats.NARROW}% probability, and above the last price with "
        f"{formats.percent(forecast.up)}."
    )


def describe_change(commodity: CommoditySection) -> str:
    """What changed since the forecast before, in one sentence."""
    before = commodity.before
    if before is None or commodity.price is None or commodity.origin is None:
        return "This is the first live forecast of this commodity."
    then = formats.day(formats.desk_day(before.as_of))
    if before.origin == commodity.origin:
        return f"No new price since the forecast of {then}: its origin is carried on."
    gap = formats.change(commodity.price - before.price, commodity.unit, commodity.price)
    return (
        f"Since the forecast of {then} the last price moved by {gap} {commodity.unit}: from "
        f"{formats.price(before.price, commodity.unit)} ({formats.day(before.origin)}) to "
        f"{formats.price(commodity.price, commodity.unit)} ({formats.day(commodity.origin)})."
    )


TEMPLATE = """\
{% for commodity in report.commodities if commodity.forecasts %}
<section class="commodity" id="{{ commodity.id }}">
<h2>{{ commodity.name }}</h2>
<div class="{{ 'beside' if commodity.before }}">
<p class="lede">{{ describe_forecast(commodity, commodity.forecasts[-1]) }}
{{ describe_change(commodity) }}</p>
{% if commodity.before %}
{% set before, unit = commodity.before, commodity.unit %}
<table class="moved">
<caption>Since the forecast of {{ f.day(f.desk_day(before.as_of)) }} \
(model {{ before.model }}), {{ unit }}</caption>
<thead><tr><th scope="col"><span class="hidden">What</span></th>
<th scope="col" class="n">Before</th><th scope="col" class="n">Now</th>
<th scope="col" class="n">Change</th></tr></thead>
<tbody>
<tr><th scope="row">Last price</th>
<td class="n">{{ f.price(before.price, unit) }}</td>
<td class="n">{{ f.price(commodity.price, unit) }}</td>
<td class="n">{{ f.change(commodity.price - before.price, unit, commodity.price) }}</td></tr>
{% for row in commodity.forecasts if row.horizon in before.medians %}
{% set median = before.medians[row.horizon] %}
<tr><th scope="row">Median, {{ f.horizon(row.horizon) }}</th>
<td class="n">{{ f.price(median, unit) }}</td>
<td class="n">{{ f.price(row.median, unit) }}</td>
<td class="n">{{ f.change(row.median - median, unit, row.median) }}</td></tr>
{% endfor %}
</tbody></table>
{% endif %}
</div>
<p class="legend"><span><i class="line"></i>price</span>\
<span><i class="swatch b50"></i>50&#8239;%</span><span><i class="swatch b80"></i>80&#8239;%</span>\
<span><i class="swatch b90"></i>90&#8239;%</span><span><i class="ring"></i>median</span>\
{% if commodity.forecasts | rejectattr("actual", "none") | list %}\
<span><i class="diamond"></i>what came</span>{% endif %}\
<span class="unit">{{ commodity.unit }}</span></p>
<div class="panels">
{% for panel in draw_fans(commodity) %}{{ figure(panel, "h3") }}{% endfor %}
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
