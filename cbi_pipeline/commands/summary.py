"""What a run came to, as text: the same figures as the morning report, from the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cbi_pipeline.commands.console import console
from cbi_pipeline.feeds import archive
from cbi_pipeline.ingest import describe_corrections
from cbi_pipeline.report import MorningReport, read_report
from cbi_pipeline.report.forecasts import CommoditySection
from cbi_pipeline.report.formats import (
    chance,
    day,
    instant,
    money,
    percent,
    share_interval,
    short_hash,
    span,
)
from cbi_pipeline.report.page import name_page
from cbi_pipeline.report.sections import data, model, skill
from cbi_pipeline.report.sections.model import describe_verdict
from cbi_pipeline.report.skill import (
    Score,
    describe_absences,
    describe_coverage,
    describe_untested,
)
from data_contracts.evaluation import name_recipes

if TYPE_CHECKING:
    from datetime import datetime

    from cbi_pipeline.operations.pipeline import Pipeline
    from cbi_pipeline.warehouse import Store


def print_summary(pipeline: Pipeline, since: datetime | None = None) -> None:
    """Rows, dates, state, scores, version, decision, forecast, report, and where to look.

    Args:
        pipeline: whose newest morning it is.
        since: when the run began that the summary is of; None where nothing was run.
    """
    settings = pipeline.settings
    record = archive.read_record(settings.archive_dir)
    with pipeline.warehouse.read() as store:
        morning = read_report(store, pipeline.catalogue, settings, modified=record.modified)
        changed = _built_anew(store, since) if since is not None else []
        corrected = describe_corrections(store, since) if since is not None else ()
    _records(morning)
    for line in corrected:
        console.print(f"clock     {line}", soft_wrap=True)
    for line in changed:
        console.print(line, soft_wrap=True)
    _scores(morning)
    _model(morning)
    print_forecast(morning)
    report = name_page(settings.reports_dir, morning.as_of)
    console.print(f"report    {report}", soft_wrap=True)
    console.print("pages     cbi ui   (Dagster, MLflow, on this machine only)")


def _records(morning: MorningReport) -> None:
    status = morning.part(data.SECTION)
    table = _table("feed", "rows in", "accepted", "added", "quarantined", "repeats", "other rows")
    for ingestion in status.ingestions:
        counts = (
            ingestion.parsed,
            ingestion.accepted,
            ingestion.added,
            ingestion.quarantined,
            ingestion.duplicates,
            ingestion.ignored,
        )  # fmt: skip
        table.add_row(ingestion.feed, *(f"{count:,}" for count in counts))
    console.print(table)
    table = _table("records", "newest", "public since", "release times assumed")
    for date in status.dates:
        table.add_row(
            f"{date.group} ({date.series} series)",
            day(date.newest),
            instant(date.available_at),
            percent(date.assumed),
        )
    console.print(table)
    if morning.modified:
        warning = ("archive modified:", "bold red")
        console.print(Text.assemble(warning, f" {', '.join(morning.modified)}"))
    console.print(f"as of     {instant(morning.as_of)}")
    if morning.issued_at is not None:
        console.print(f"issued    {instant(morning.issued_at)}")
    console.print(f"state     {morning.state}\n")


def _built_anew(store: Store, since: datetime) -> list[str]:
    """Which rows a run built anew beside the earlier ones, of which commodities, and why."""
    replaced = store.query(
        "SELECT DISTINCT commodity, why FROM market.earlier_session WHERE replaced_at >= ? "
        "ORDER BY commodity",
        [since],
    )
    sessions = [f"sessions  of {name} built anew: {why}" for name, why in replaced.iter_rows()]
    noted = store.query(
        "SELECT * FROM (FROM features.generation QUALIFY number > 1 AND generation != "
        "lag(generation) OVER (PARTITION BY feature_group, commodity ORDER BY number)) "
        "WHERE noted_at >= ?",
        [since],
    )
    changes = noted.sort("feature_group", "commodity").group_by(
        "feature_group", "why", maintain_order=True
    )
    features = [
        f"features  {group} of {', '.join(own['commodity'])} built anew: {why}"
        for (group, why), own in changes
    ]
    return sessions + features


def _scores(morning: MorningReport) -> None:
    evidence, commodities = morning.part(skill.SECTION), morning.commodities
    for recipe in evidence.recipes_in_question:
        values = {
            (commodity.id, figure.horizon, figure.metric): figure
            for commodity in commodities
            for figure in evidence.find_skills(recipe, commodity.id)
        }
        if not values:
            continue
        metrics = sorted({metric for _, _, metric in values})
        against = (metric.removeprefix("skill_vs_") for metric in metrics)
        table = _table("", *against)
        places = {key[:2] for key in values}
        in_order = [
            (commodity.id, label)
            for commodity in commodities
            for label in ("*", *commodity.horizons)
        ]
        for commodity, horizon in filter(places.__contains__, in_order):
            figures = (values.get((commodity, horizon, metric)) for metric in metrics)
            where = "all" if horizon == "*" else horizon
            table.add_row(f"{commodity} {where}", *(_skill(figure) for figure in figures))
        title = (f"CRPS skill of {name_recipes(recipe)}", "bold")
        console.print(Text.assemble(title, ", in per cent [90 % interval]"))
        console.print(table)
    for describe in (describe_coverage, describe_untested, describe_absences):
        for sentence in describe(evidence, commodities):
            console.print(sentence, soft_wrap=True)
    console.print()


def _skill(figure: Score | None) -> str:
    return "" if figure is None else share_interval(figure.value, figure.low, figure.high)


def _model(morning: MorningReport) -> None:
    card, decisions = morning.model, morning.part(model.SECTION)
    if card is not None:
        console.print(
            f"model     version {card.version}, {card.recipe}: {card.note} "
            f"(fingerprint {short_hash(card.fingerprint)})"
        )
    for ruling in decisions.gate:
        console.print(
            f"gate      {describe_verdict(ruling.verdict)} {ruling.reason}", soft_wrap=True
        )
    if decisions.refresh is not None:
        words = f"{describe_verdict(decisions.refresh.verdict)} {decisions.refresh.reason}"
        console.print(f"refresh   {words}", soft_wrap=True)
    for ruling in decisions.by_hand:
        words = f"{describe_verdict(ruling.verdict)} {ruling.reason} ({ruling.who})"
        console.print(f"by hand   {words}", soft_wrap=True)
    console.print()


def print_forecast(morning: MorningReport) -> None:
    """The forecast table of every commodity, and why there is none where there is none."""
    table = _table("forecast", "last price", "target", "median", "80 % range", "rise")
    for section in morning.commodities:
        _forecast_rows(table, section)
    if table.row_count:
        console.print(table)
    for section in morning.commodities:
        if section.abstention:
            console.print(f"{section.id} {section.status}: {section.abstention}", soft_wrap=True)
        if section.note:
            console.print(f"{section.id}: {section.note}", soft_wrap=True)


def _forecast_rows(table: Table, section: CommoditySection) -> None:
    for row in section.forecasts:
        assert section.price is not None
        assert section.origin is not None
        table.add_row(
            f"{section.id} {row.horizon}",
            f"{money(section.price, section.unit)}, {day(section.origin)}",
            day(row.target) + (" (passed)" if row.passed else ""),
            money(row.median, section.unit),
            span(*row.band(80), section.unit),
            f"{percent(row.up)}, {chance(row.up)}",
        )


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right", no_wrap=number == 0)
    return table
