"""What each price may do, on one table: the first thing that is read."""

from __future__ import annotations

from markupsafe import Markup

from cbi_pipeline.report.forecasts import CommoditySection
from cbi_pipeline.report.morning import Section, read_nothing
from cbi_pipeline.report.panels import LEVELS


def draw_strips(commodity: CommoditySection) -> list[Markup]:
    """One strip per forecast, all on the scale of the widest band."""
    from cbi_pipeline.report.charts.strip import strip

    if commodity.price is None:
        return []
    ends = [end for forecast in commodity.forecasts for end in forecast.band(90)]
    scale = min(ends, default=0.0), max(ends, default=1.0)
    return [
        Markup(strip({p: f.band(p) for p in LEVELS}, f.median, commodity.price, scale))
        for f in commodity.forecasts
    ]


TEMPLATE = """\
<section id="outlook">
<h2>Outlook</h2>
{% for commodity in report.commodities if commodity.abstention %}
<p class="abstain"><strong>{{ commodity.name }}: no forecast.</strong>
{{ commodity.abstention[0] | upper }}{{ commodity.abstention[1:] }}.
<span class="tag">{{ commodity.status }}</span></p>
{% endfor %}
{% set forecast = report.commodities | selectattr("forecasts") | list %}
{% if forecast %}
<table class="stack headline">
<caption class="hidden">Forecast per commodity and horizon: target date, median, ranges and the
chance of a rise</caption>
<thead><tr><th scope="col">Horizon</th><th scope="col">Target date</th>
<th scope="col" class="n">Median</th>
<th scope="col" class="key"><span class="swatch b50"></span>50&#8239;%&ensp;\
<span class="swatch b80"></span>80&#8239;%&ensp;<span class="swatch b90"></span>90&#8239;%</th>
<th scope="col" class="n">50&#8239;% range</th><th scope="col" class="n">80&#8239;% range</th>
<th scope="col" class="n">90&#8239;% range</th><th scope="col" class="n">Chance of a rise</th></tr>
</thead>
{% for commodity in forecast %}
{% set strips = draw_strips(commodity) %}
<tbody>
<tr class="group"><th colspan="8" scope="rowgroup"><span class="name">{{ commodity.name }}</span>
<span class="last">last price <b>{{ f.money(commodity.price, commodity.unit) }}</b>
on {{ f.day(commodity.origin) }}</span>
{% if commodity.note %}
<span class="note">{{ commodity.note[0] | upper }}{{ commodity.note[1:] }}.</span>
{% endif %}
</th></tr>
{% for row in commodity.forecasts %}
<tr>
<th scope="row">{{ f.horizon(row.horizon) | capitalize }}</th>
<td data-label="Target date">{{ f.day(row.target) }}\
{% if row.passed %} <span class="passed">target date already passed</span>{% endif %}</td>
<td data-label="Median" class="n"><b>{{ f.price(row.median, commodity.unit) }}</b></td>
<td class="strips">{{ strips[loop.index0] }}</td>
{% for percent in LEVELS %}
<td data-label="{{ percent }}&#8239;% range" class="n">\
{{ f.span(row.band(percent)[0], row.band(percent)[1], commodity.unit) }}</td>
{% endfor %}
<td data-label="Chance of a rise" class="n"><b>{{ f.percent(row.up) }}</b>
<span class="soft">{{ f.chance(row.up) }}</span></td>
</tr>
{% endfor %}
</tbody>
{% endfor %}
</table>
<p class="foot">Prices in the unit beside each last price. Broken line: last price; solid line:
median.</p>
{% endif %}
</section>
"""

SECTION = Section(
    name="outlook",
    title="Outlook",
    anchor="outlook",
    read=read_nothing,
    template=TEMPLATE,
    helpers={"LEVELS": LEVELS, "draw_strips": draw_strips},
)
