"""A source of files that ships nowhere: tables of a tide gauge, with columns of its own."""

import csv
import io
import json
from datetime import date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds import Answer, Parsed, Series, Source
from cbi_pipeline.feeds.source import PARSED_SCHEMA


def _series(code: str, name: str) -> Series:
    return Series(f"TIDE.{code}", code, "own_history", name, "index", "daily", "", date(2020, 1, 1))


SERIES = (_series("Hoch", "High water at the gauge"), _series("Tief", "Low water at the gauge"))


def source() -> Source:
    return Source(
        name="tide",
        title="Tables of the tide gauge",
        zone=ZoneInfo("Europe/Berlin"),
        series=SERIES,
        pulls=lambda asked, held, today: (),
        parse=parse,
    )


def parse(answer: Answer) -> Parsed:
    lines = csv.DictReader(io.StringIO(answer.body.decode()), delimiter=";")
    rows = [
        (
            one.id,
            datetime.strptime(line["Tag"], "%d.%m.%Y").date(),
            line[one.code],
            float(line[one.code].replace(",", ".")),
            one.unit,
            "value",
            None,
            "first_seen",
            f"line {place} {one.code}",
            json.dumps(line),
        )
        for place, line in enumerate(lines, 2)
        for one in SERIES
    ]
    frame = pl.DataFrame(rows, schema=dict(PARSED_SCHEMA), orient="row")
    return Parsed(frame, complete=tuple(one.id for one in SERIES))
