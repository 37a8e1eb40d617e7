"""The data behind the forecasts: how far they reach, what came, what was set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial

import polars as pl

from cbi_pipeline.features import series_read
from cbi_pipeline.report import formats
from cbi_pipeline.report.forecasts import CommoditySection
from cbi_pipeline.report.morning import Section
from cbi_pipeline.report.panels import Panel, draw_panel
from cbi_pipeline.report.source import ReportSource
from cbi_pipeline.warehouse import Store

_SAMPLES_PER_RULE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRow:
    """One row that was set aside: which rule, which value, and the row itself."""

    rule: str
    series: str
    column: str
    value: str | None
    row: str
    fate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDate:
    """How far one group of series reaches.

    Attributes:
        group: release group.
        frequency: daily, weekly or monthly.
        series: number of series.
        newest: newest period with a value.
        available_at: when that became public.
        basis: belief behind that instant.
        assumed: share of the group's values whose release time is assumed.
    """

    group: str
    frequency: str
    series: int
    newest: date
    available_at: datetime
    basis: str
    assumed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingestion:
    """What became of the rows of a feed's newest ingestion."""

    feed: str
    seen_at: datetime
    parsed: int
    accepted: int
    added: int
    quarantined: int
    duplicates: int
    ignored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStatus:
    """The data as they are.

    Attributes:
        dates: one per group of series that is read.
        ingestions: newest per feed.
        quarantined: total of rows set aside, by rule.
        sample: some of them.
    """

    dates: tuple[DataDate, ...] = ()
    ingestions: tuple[Ingestion, ...] = ()
    quarantined: Mapping[str, int] = field(default_factory=dict)
    sample: tuple[QuarantinedRow, ...] = ()


def read_data(source: ReportSource) -> DataStatus:
    """How far the data reach, the newest ingestions, and what lies in quarantine."""
    return DataStatus(
        dates=_read_dates(source.store, source.as_of, series_read(source.catalogue)),
        ingestions=_read_ingestions(source.store),
        quarantined=_count_quarantined(source.store),
        sample=_sample_quarantined(source.store),
    )


def _count_quarantined(store: Store) -> dict[str, int]:
    rows = store.query(
        "SELECT rule, count(*) AS number FROM quarantine.row WHERE fate = 'open' "
        "GROUP BY rule ORDER BY number DESC, rule"
    )
    return dict(rows.iter_rows())


def _sample_quarantined(store: Store) -> tuple[QuarantinedRow, ...]:
    rows = store.query(
        """
        SELECT rule, series_id AS series, column_name AS "column", value, "row", fate
        FROM quarantine.row WHERE fate = 'open'
        QUALIFY row_number() OVER (
            PARTITION BY rule ORDER BY seen_at DESC, response_id, locator) <= ?
        ORDER BY rule, seen_at DESC, response_id, locator""",
        [_SAMPLES_PER_RULE],
    )
    return tuple(QuarantinedRow(**row) for row in rows.iter_rows(named=True))


def _read_dates(store: Store, as_of: datetime, read: Sequence[str]) -> tuple[DataDate, ...]:
    """The newest of each family that is read; one that nothing reads any more grows old unasked."""
    every = store.table("ref.series").select("series_id", "family", "frequency")
    used = every.filter(pl.col("series_id").is_in(read)).select("family").unique()
    series = every.join(used, on="family", how="semi")
    newest = pl.col("period") == pl.col("period").max()
    rows = (
        store.as_of(as_of)
        .join(series, on="series_id")
        .group_by("family", "frequency")
        .agg(
            pl.col("series_id").n_unique().alias("series"),
            pl.col("period").max().alias("newest"),
            pl.col("available_at").filter(newest).max(),
            pl.col("available_basis").filter(newest).last().alias("basis"),
            (pl.col("available_basis") == "assumed").mean().alias("assumed"),
        )
        .rename({"family": "group"})
        .sort("group", "frequency")
    )
    return tuple(DataDate(**row) for row in rows.iter_rows(named=True))


def _read_ingestions(store: Store) -> tuple[Ingestion, ...]:
    names = list(Ingestion.__dataclass_fields__)
    newest = store.table("ledger.txn").sort("txn_id").unique("feed", keep="last").sort("feed")
    return tuple(Ingestion(**row) for row in newest.select(names).iter_rows(named=True))


def draw_histories(commodities: Sequence[CommoditySection]) -> list[Panel]:
    """The whole price record of each commodity."""
    from cbi_pipeline.report import charts

    return [
        draw_panel(
            f"history-{commodity.id}",
            commodity.name,
            f"{formats.count(len(commodity.prices))} prices in {commodity.unit}, "
            f"{formats.day(commodity.sessions[0])} to {formats.day(commodity.sessions[-1])}",
            partial(charts.history, commodity.sessions, commodity.prices, commodity.unit),
        )
        for commodity in commodities
        if commodity.prices
    ]


TEMPLATE = """\
<section id="data">
<h2>Data</h2>
{% if part.dates %}
<h3>How far the data reach</h3>
<table class="stack">
<thead><tr><th scope="col">Series group</th><th scope="col" class="n">Series</th>
<th scope="col">Newest period</th><th scope="col">Public since</th><th scope="col">Release time</th>
<th scope="col" class="n">Assumed release times</th></tr></thead>
<tbody>
{% for row in part.dates %}
<tr><th scope="row">{{ row.group }} <span class="soft">{{ row.frequency }}</span></th>
<td data-label="Series" class="n">{{ f.count(row.series) }}</td>
<td data-label="Newest period">{{ f.day(row.newest) }}</td>
<td data-label="Public since">{{ f.instant(row.available_at) }}</td>
<td data-label="Release time">{{ row.basis }}</td>
<td data-label="Assumed release times" class="n">{{ f.percent(row.assumed) }}</td></tr>
{% endfor %}
</tbody></table>
<p class="foot">Assumed: the value was collected later, so when it became public, and whether it was
revised since, is inferred; it is not claimed to be what was known then.</p>
{% endif %}
{% if part.ingestions %}
<h3>Newest ingestion per feed</h3>
<table class="stack">
<thead><tr><th scope="col">Feed</th><th scope="col">Seen</th><th scope="col" class="n">Parsed</th>
<th scope="col" class="n">Accepted</th><th scope="col" class="n">New</th>
<th scope="col" class="n">Quarantined</th><th scope="col" class="n">Repeats</th>
<th scope="col" class="n">Not followed</th></tr></thead>
<tbody>
{% for row in part.ingestions %}
<tr><th scope="row">{{ row.feed }}</th><td data-label="Seen">{{ f.instant(row.seen_at) }}</td>
<td data-label="Parsed" class="n">{{ f.count(row.parsed) }}</td>
<td data-label="Accepted" class="n">{{ f.count(row.accepted) }}</td>
<td data-label="New" class="n">{{ f.count(row.added) }}</td>
<td data-label="Quarantined" class="n">{{ f.count(row.quarantined) }}</td>
<td data-label="Repeats" class="n">{{ f.count(row.duplicates) }}</td>
<td data-label="Not followed" class="n">{{ f.count(row.ignored) }}</td></tr>
{% endfor %}
</tbody></table>
{% endif %}
<h3>Quarantine</h3>
{% if part.quarantined %}
<p>Rows set aside, never used: {% for rule, number in part.quarantined.items() %}\
<b>{{ f.count(number) }}</b> by rule <code>{{ rule }}</code>{{ ", " if not loop.last }}\
{% endfor %}. A sample:</p>
<table class="stack quarantine">
<thead><tr><th scope="col">Rule</th><th scope="col">Series</th><th scope="col">Column</th>
<th scope="col">Value</th><th scope="col">Row</th><th scope="col">Fate</th></tr></thead>
<tbody>
{% for row in part.sample %}
<tr><th scope="row"><code>{{ row.rule }}</code></th><td data-label="Series">{{ row.series }}</td>
<td data-label="Column">{{ row.column }}</td>
<td data-label="Value"><code>{{ row.value if row.value is not none else "absent" }}</code></td>
<td data-label="Row"><code>{{ row.row }}</code></td><td data-label="Fate">{{ row.fate }}</td></tr>
{% endfor %}
</tbody></table>
{% else %}
<p>No row is in quarantine: every row received kept its contract.</p>
{% endif %}
{% set records = draw_histories(report.commodities) %}
{% if records %}
<h3>Price records</h3>
<div class="panels two">{% for panel in records %}{{ figure(panel) }}{% endfor %}</div>
{% endif %}
</section>
"""

SECTION = Section(
    name="data",
    title="Data",
    anchor="data",
    read=read_data,
    template=TEMPLATE,
    helpers={"draw_histories": draw_histories},
)
