"""A source of files of hourly bars that ships nowhere: as long as one likes, parsed in parts.

Run as a program it imports files one after the other, and prints what each added and the most
memory that this took.
"""

import json
import resource
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds.source import Answer, Parsed, Series, Source
from data_contracts.versioned import BARS

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
PART = 5_000
SERIES = Series(
    id="PIT.OATS.1h",
    code="OATS",
    family="own_history",
    name="Oats in the pit, by the hour",
    unit="USD/t",
    frequency="daily",
    group="",
    since=date(1970, 1, 1),
    dimensions={"dataset": "PIT", "instrument": "OATS", "width": "1h"},
)


def source() -> Source:
    return Source(
        name="hours",
        title="Hours of the pit",
        zone=ZoneInfo("UTC"),
        series=(SERIES,),
        pulls=lambda asked, newest, today: (),
        parse=parse,
        table=BARS,
    )


def parse(answer: Answer) -> Parsed:
    first, *later = range(0, len(answer.body) // 4, PART)
    rest = (_part(answer.body, begin) for begin in later)
    return Parsed(_part(answer.body, first).frame, later=rest)


def _part(body: bytes, begin: int) -> Parsed:
    """Closes, four bytes each, one after the other."""
    cents = memoryview(body)[4 * begin : 4 * (begin + PART)].cast("i")
    closes = pl.Series("close", cents.tolist(), pl.Int64) * 10**7
    rows = pl.DataFrame({"close": closes}).with_row_index("bar", begin)
    start = pl.lit(FIRST).dt.cast_time_unit("us") + pl.duration(hours="bar")
    frame = rows.select(
        series_id=pl.lit(SERIES.id),
        ts_event=start,
        open="close",
        high="close",
        low="close",
        close="close",
        volume=pl.lit(1, pl.Int64),
        unit=pl.lit(SERIES.unit),
        status=pl.lit("value"),
        available_at=start + pl.duration(hours=1),
        available_basis=pl.lit("assumed"),
        locator=pl.format("bar {}", "bar"),
        row_json=pl.lit(""),
    )
    return Parsed(frame.cast(pl.Schema(BARS.parsed.dtypes)))


def main(home: Path, files: list[Path]) -> Iterator[tuple[str, int]]:
    from cbi_pipeline.ingest import _commit, _stage, _validate, import_file
    from cbi_pipeline.settings import Settings

    catalogue = home / "catalogue.toml"
    catalogue.write_text(
        '[file.hours]\nmodule = "tests.ingest.hour_files"\nbrings = "Hours of the pit"\n'
    )
    settings = Settings(_env_file=None, home=home / "home", catalogue_file=catalogue)
    # A tenth of the limits, so that a tenth of the rows shows as much.
    _stage.MANY = _validate.MANY = 10_000
    _stage._PENDING = 20_000
    _commit._MEMORY = "48MB"
    for file in files:
        yield file.name, import_file(settings, file, kind="hours", mode="append").added
    yield "peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    home, *files = map(Path, sys.argv[1:])
    sys.stdout.write(json.dumps(dict(main(home, files))))
