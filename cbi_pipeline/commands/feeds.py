"""``cbi feeds``: where the data comes from, and how it stands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from cbi_pipeline.commands.console import Refusal, console, errors
from cbi_pipeline.printable import ascii_json
from cbi_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from cbi_pipeline.feeds import Series, Source
    from cbi_pipeline.ingest import FeedHealth, IngestReport

app = typer.Typer(help="Feeds: what there is, and how it stands.", no_args_is_help=True)
#: What a person's own file is called; other kinds are sources of the catalogue.
OWN_FILES = "csv"


@app.command("list")
def list_feeds() -> None:
    """List the feeds of this profile with their newest ingestion."""
    from cbi_pipeline.ingest import CLOCK, RULES
    from cbi_pipeline.ledger import bind_warehouse
    from cbi_pipeline.warehouse import NothingPublished

    settings = load_settings()
    last: dict[str, tuple[str, ...]] = {}
    try:
        with bind_warehouse(settings).read() as store:
            for row in store.table("ledger.txn").sort("txn_id").iter_rows(named=True):
                seen = f"{row['seen_at']:%Y-%m-%d %H:%M} UTC"
                last[row["feed"]] = (seen, f"{row['accepted']:,}", f"{row['quarantined']:,}")
    except NothingPublished:
        console.print("nothing ingested yet; run `cbi run`", style="dim")
    table = _table("feed", "source", "series asked for", "last ingested", "accepted", "quarantined")
    feeds = _feeds(settings)
    others = {CLOCK: "dates corrected", RULES: "judged anew"}
    for name in dict.fromkeys([*feeds, *last]):
        source, asked = feeds.get(name, (others.get(name, "imported"), "-"))
        table.add_row(name, source, asked, *last.get(name, ("never", "-", "-")))
    console.print(table)


@app.command()
def show(
    feed: Annotated[str, typer.Argument(help="Live feed, see `cbi feeds list`.")],
) -> None:
    """Show every series that a live feed can be asked for, and what reads it."""
    from cbi_pipeline.operations.describe_readers import describe_readers

    settings = load_settings()
    chosen = _live_feed(settings, feed)
    readers = describe_readers(settings, chosen)
    wide = [max(map(len, texts)) for texts in zip(*map(_list_cells, chosen.series), strict=True)]
    for series in chosen.series:
        cells = (text.ljust(width) for text, width in zip(_list_cells(series), wide, strict=True))
        words = readers[series.id] or "nothing, so it is not asked for"
        console.print("  ".join([*cells, words]), soft_wrap=True, highlight=False)


def _list_cells(series: Series) -> tuple[str, str, str]:
    return series.id, series.name, series.unit


@app.command()
def check(
    offline: Annotated[bool, typer.Option(help="Do not ask the services anything.")] = False,
) -> int:
    """Check each feed: key, newest observation, age against its limit, open faults."""
    from cbi_pipeline.ingest import check_feeds

    states = check_feeds(load_settings(), probe=not offline)
    for health in states:
        _print_health(health)
    return 1 if any(health.broken for health in states) else 0


@app.command()
def pull(
    feed: Annotated[str, typer.Argument(help="Live feed, see `cbi feeds list`.")],
) -> int:
    """Ask a live feed for what is new: land its bytes, screen its rows, commit them."""
    from cbi_pipeline.ingest import (
        deliver_live,
        fault_log,
        land_live,
        why_not_asked,
    )

    settings = load_settings()
    _live_feed(settings, feed)
    idle = why_not_asked(settings, feed)
    if idle is not None:
        raise Refusal(f"{feed} is not asked: {idle}")
    landed = land_live(settings, feed)
    report = deliver_live(settings, landed)
    console.print(
        f"{feed}: {landed.requests} requests, {report.parsed:,} rows in, "
        f"{report.added:,} versions added, {report.quarantined:,} quarantined"
    )
    # What was landed whole may still be doubted when it is judged.
    faults = fault_log(settings).open(feed)
    for line in (*faults, *landed.notices):
        errors.print(str(line))
    return 1 if faults else 0


@app.command()
def parse(
    feed: Annotated[str, typer.Argument(help="Feed that understands the file.")],
    file: Annotated[Path, typer.Argument(help="Recorded answer.", exists=True, dir_okay=False)],
    url: Annotated[str | None, typer.Option(help="Address it was recorded from.")] = None,
) -> None:
    """Parse a recorded answer: accepted rows on stdout, rejected ones on stderr, as NDJSON."""
    from cbi_pipeline.ingest import parse_file

    try:
        parsed = parse_file(feed, file, url)
    except ValueError as error:
        raise Refusal(str(error)) from error
    sys.stdout.write(ascii_json(parsed.accepted.write_ndjson()))
    sys.stderr.write(ascii_json(parsed.rejected.write_ndjson()))
    for reason, count in parsed.ignored.items():
        errors.print(f"{count} rows are not observations: {reason}")


@app.command("import")
def import_files(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Kind of file: csv, or one of the catalogue.")
    ],
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files.", exists=True, dir_okay=False)
    ],
    series: Annotated[
        str | None, typer.Option(help="csv: id the series gets, e.g. OWN.PALM_OIL.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="csv: unit of every value.")] = None,
    measured: Annotated[
        str | None, typer.Option("--source", help="csv: where the values come from.")
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Periods that are held and not in the files stay.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="The file is the whole history: others are withdrawn.")
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Prices restated by a factor are meant so.")
    ] = False,
) -> None:
    """Import files of your own; they go through the ledger and the rules like any feed.

    A csv has a column period (YYYY-MM-DD) and a column value, and says neither series nor unit nor
    source: state all three. A source of files of the catalogue knows its own. Several files are
    parts of one history. Where what is held has periods that the files lack, say what becomes of
    those; where prices are restated by a power of ten or a unit's factor, that it is meant.
    """
    from cbi_pipeline.ingest import TableRuleBroken

    mode = _mode(append=append or len(paths) > 1, replace=replace)
    take = _reader(source, series, unit, measured)
    try:
        for path in paths:
            print_import(
                path,
                series or source,
                take(load_settings(), path, mode=mode, confirm=confirm),
                mode,
            )
    except (ValueError, FileNotFoundError, TableRuleBroken) as error:
        raise Refusal(str(error)) from error


def _reader(
    source: str, series: str | None, unit: str | None, measured: str | None
) -> Callable[..., IngestReport]:
    """What imports a file of that kind."""
    from cbi_pipeline.ingest import file_sources, import_file
    from cbi_pipeline.operations.import_csv import import_csv

    kinds = [
        OWN_FILES,
        *(name for name, source in file_sources(load_settings()).items() if source.series),
    ]
    if source not in kinds:
        raise Refusal(f"no file source {source!r}; there are: {', '.join(kinds)}")
    stated = {"--series": series, "--unit": unit, "--source": measured}
    if source != OWN_FILES:
        given = [option for option, value in stated.items() if value is not None]
        if given:
            raise Refusal(f"{', '.join(given)}: only a csv needs it; {source} knows its own")
        return partial(import_file, kind=source)
    if series is None or unit is None or measured is None:
        absent = [option for option, value in stated.items() if value is None]
        raise Refusal(f"a csv does not say it: give {', '.join(absent)}")
    return partial(import_csv, series=series, unit=unit, source=measured)


def _mode(*, append: bool, replace: bool) -> Literal["append", "replace"] | None:
    if append and replace:
        raise Refusal("a history is replaced by one file alone; give one PATH and no --append")
    return "append" if append else "replace" if replace else None


def print_import(path: Path, series: str, report: IngestReport, mode: str | None) -> None:
    """What an import of a file did, and what of it was set aside."""
    for line in report.notices:
        errors.print(line)
    if not report.changed:
        console.print(f"{series}: {path.name} says nothing new", soft_wrap=True)
        return
    done = {"append": "appended to what is held", "replace": "in place of what was held"}
    kept = f", {done[mode]}" if mode else ""
    console.print(
        f"{series}: {report.parsed:,} rows in, {report.accepted:,} accepted, "
        f"{report.added:,} versions added ({report.withdrawn:,} of them withdrawals), "
        f"{report.quarantined:,} quarantined{kept}",
        soft_wrap=True,
    )
    for line in report.refusals:
        errors.print(f"set aside: {line}")


def _live_feed(settings: Settings, name: str) -> Source:
    from cbi_pipeline.ingest import live_feeds

    feeds = live_feeds(settings)
    if name not in feeds:
        raise Refusal(f"no live feed {name!r}; there are: {', '.join(feeds)}")
    return feeds[name]


def _feeds(settings: Settings) -> dict[str, tuple[str, str]]:
    """Source of each feed of the profile, and how many of its series are asked for."""
    from cbi_pipeline.ingest import asked_series, profile_sources

    def number(source: Source) -> str:
        if source.service is None:
            return "all"
        return f"{len(asked_series(settings, source))} of {len(source.series)}"

    return {
        name: (source.title, number(source)) for name, source in profile_sources(settings).items()
    }


def _print_health(health: FeedHealth) -> None:
    mark = ("broken", "red") if health.broken else ("ok", "green")
    newest = f"newest {health.newest}" if health.newest else "nothing ingested yet"
    words = f" {health.feed}: key {health.key}, {newest}"
    console.print(Text.assemble(mark, words), soft_wrap=True)
    for age in health.ages:
        late = ("stale ", "red") if age.stale and age.newest else ""
        words = f"{age.newest}, {age.days} days old" if age.newest else "nothing held yet"
        words = f"{age.family}: {words}, limit {age.limit} days"
        console.print(Text.assemble("   ", late, words), soft_wrap=True)
    for line in (*health.problems, *health.notices):
        console.print(f"   {line}", soft_wrap=True)


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading)
    return table
