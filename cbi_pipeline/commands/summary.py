"""What a run came to, as text: the same figures as the morning report, from the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cbi_pipeline.commands.console import console
from cbi_pipeline.feeds import archive
from cbi_pipeline.ingest import describe_corrections
from cbi_pipeline.report import gather
from cbi_pipeline.report.formats import (
    NARROW,
    chance,
    day,
    instant,
    money,
    percent,
    short,
    signed_percent,
    span,
)
from cbi_pipeline.report.morning import Morning, Page, Score
from cbi_pipeline.report.page import dated
from cbi_pipeline.report.skill import coverage, in_question, named, sat_out, skills, untested
from cbi_pipeline.report.words import gate

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
        morning = gather(store, pipeline.catalogue, settings, modified=record.modified)
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
    report = dated(settings.reports_dir, morning.as_of)
    console.print(f"report    {report}", soft_wrap=True)
    console.print("pages     cbi ui   (Dagster, MLflow, on this machine only)")


def _records(morning: Morning) -> None:
    table = _table("feed", "rows in", "accepted", "added", "quarantined", "repeats", "other rows")
    for one in morning.ingestions:
        counts = (
            one.parsed, one.accepted, one.added, one.quarantined, one.duplicates, one.ignored
        )  # fmt: skip
        table.add_row(one.feed, *(f"{count:,}" for count in counts))
    console.print(table)
    table = _table("records", "newest", "public since", "release times assumed")
    for date in morning.data_dates:
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
    told = noted.sort("feature_group", "commodity").group_by(
        "feature_group", "why", maintain_order=True
    )
    features = [
        f"features  {group} of {', '.join(own['commodity'])} built anew: {why}"
        for (group, why), own in told
    ]
    return sessions + features


def _scores(morning: Morning) -> None:
    for recipe in in_question(morning):
        found = {
            (page.id, figure.horizon, figure.metric): figure
            for page in morning.pages
            for figure in skills(morning.scores, recipe, page.id)
        }
        if not found:
            continue
        metrics = sorted({metric for _, _, metric in found})
        against = (metric.removeprefix("skill_vs_") for metric in metrics)
        table = _table("", *against)
        for commodity, horizon in dict.fromkeys(key[:2] for key in found):
            figures = (found.get((commodity, horizon, metric)) for metric in metrics)
            where = "all" if horizon == "*" else horizon
            table.add_row(f"{commodity} {where}", *(_skill(figure) for figure in figures))
        title = (f"CRPS skill of {named(recipe)}", "bold")
        console.print(Text.assemble(title, ", in per cent [90 % interval]"))
        console.print(table)
    for sentence in (*coverage(morning), *untested(morning), *sat_out(morning)):
        console.print(sentence, soft_wrap=True)
    console.print()


def _skill(figure: Score | None) -> str:
    if figure is None:
        return ""
    if figure.low is None or figure.high is None:
        interval = "too few"
    else:
        interval = f"{signed_percent(figure.low)}, {signed_percent(figure.high)}"
    return f"{signed_percent(figure.value)} [{interval}]".replace(f"{NARROW}%", "")


def _model(morning: Morning) -> None:
    if morning.model is not None:
        model = morning.model
        console.print(
            f"model     version {model.version}, {model.recipe}: {model.note} "
            f"(fingerprint {short(model.fingerprint)})"
        )
    for one in morning.gates:
        console.print(f"gate      {gate(one.verdict)} {one.reason}", soft_wrap=True)
    if morning.refresh is not None:
        words = f"{gate(morning.refresh.verdict)} {morning.refresh.reason}"
        console.print(f"refresh   {words}", soft_wrap=True)
    for one in morning.by_hand:
        console.print(f"by hand   {gate(one.verdict)} {one.reason} ({one.who})", soft_wrap=True)
    console.print()


def print_forecast(morning: Morning) -> None:
    """The forecast table of every commodity, and why there is none where there is none."""
    table = _table("forecast", "last price", "target", "median", "80 % range", "rise")
    for page in morning.pages:
        _forecast_rows(table, page)
    if table.row_count:
        console.print(table)
    for page in morning.pages:
        if page.abstention:
            console.print(f"{page.id} {page.status}: {page.abstention}", soft_wrap=True)
        if page.note:
            console.print(f"{page.id}: {page.note}", soft_wrap=True)


def _forecast_rows(table: Table, page: Page) -> None:
    for one in page.outlooks:
        assert page.price is not None
        assert page.origin is not None
        table.add_row(
            f"{page.id} {one.horizon}",
            f"{money(page.price, page.unit)}, {day(page.origin)}",
            day(one.target) + (" (passed)" if one.passed else ""),
            money(one.median, page.unit),
            span(*one.band(80), page.unit),
            f"{percent(one.up)}, {chance(one.up)}",
        )


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right", no_wrap=number == 0)
    return table
