"""A source whose answers look like no other's: its rows are found by what its own parser read."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from cbi_pipeline.feeds.source import (
    PARSED_SCHEMA,
    Answer,
    Parsed,
    Pull,
    Series,
    Service,
    Source,
)
from tests.feed_servers.night import Installation
from tests.feed_servers.server import FeedServer, Reply

SERIES = Series(
    id="HAFEN.DIESEL",
    code="DIESEL",
    family="own_history",
    name="Diesel at the harbour",
    unit="USD/t",
    frequency="daily",
    group="kurse",
    since=date(2020, 1, 1),
)
NIGHT = datetime(2020, 6, 4, 3, tzinfo=UTC)
#: Beyond the bounds of its contract.
DEAR = 5_000_000.0
DEAR_DAY = date(2020, 1, 15)


@dataclass
class Harbour(FeedServer):
    """Answers ``[{"tag": "15.01.2020", "kurs": 501.5}, …]`` from the day that is asked for."""

    prices: dict[date, float] = field(default_factory=dict)

    def __post_init__(self):
        super().__init__()

    def answer(self, asked):
        first = date.fromisoformat(asked.one("ab"))
        rows = [
            {"tag": f"{day:%d.%m.%Y}", "kurs": price}
            for day, price in sorted(self.prices.items())
            if day >= first
        ]
        return Reply(200, json.dumps(rows).encode())


class OnePage:
    def add(self, answer: Answer) -> str | None:
        return None


def harbour_feed(base: str) -> Source:
    def pulls(asked, held, today):
        newest = held.get(SERIES.id)
        first = newest - timedelta(days=30) if newest else SERIES.since
        return [Pull("kurse", f"{base}/kurse?ab={first}", (SERIES.id,), first)]

    return Source(
        name="hafen",
        title="Harbour prices",
        zone=ZoneInfo("Asia/Tokyo"),
        series=(SERIES,),
        pulls=pulls,
        parse=parse,
        service=Service(
            base=base,
            credential=None,
            per_second=1000,
            proof=lambda pull: OnePage(),
            refusal=lambda answer: None,
            probe=f"{base}/kurse?ab=2020-06-01",
        ),
    )


def parse(answer: Answer) -> Parsed:
    assert "ab" in parse_qs(urlsplit(answer.url).query)
    rows = [
        {
            "series_id": SERIES.id,
            "period": datetime.strptime(row["tag"], "%d.%m.%Y").date(),
            "value_text": str(row["kurs"]),
            "value": row["kurs"],
            "unit": SERIES.unit,
            "status": "value",
            "available_at": datetime.strptime(row["tag"], "%d.%m.%Y").replace(tzinfo=UTC),
            "available_basis": "stamp",
            "locator": f"[{place}]",
            "row_json": json.dumps(row),
        }
        for place, row in enumerate(json.loads(answer.body))
    ]
    return Parsed(pl.DataFrame(rows, schema=dict(PARSED_SCHEMA)))


@pytest.fixture
def harbour():
    days = (date(2020, 1, 1) + timedelta(days=back) for back in range(150))
    with Harbour({day: 500.0 + day.day for day in days}) as server:
        server.prices[DEAR_DAY] = DEAR
        yield server


@pytest.fixture
def installed(harbour, tmp_path) -> Installation:
    installation = Installation(tmp_path, harbour_feed(harbour.base), None)
    installation.night(NIGHT)
    assert fates(installation) == {DEAR_DAY: "open"}
    return installation


def fates(installation) -> dict[date, str]:
    rows = installation.table("quarantine.row")
    return dict(rows.select("period", "fate").iter_rows())


def test_a_night_that_did_not_ask_for_a_refused_row_leaves_it_open(installed, harbour):
    harbour.prices[date(2020, 5, 30)] = 512.0
    installed.night(NIGHT + timedelta(days=1))
    assert fates(installed) == {DEAR_DAY: "open"}


def test_a_night_that_was_answered_without_a_refused_row_settles_it(installed, harbour):
    harbour.prices[date(2020, 5, 20)] = DEAR
    installed.night(NIGHT + timedelta(days=1))
    assert fates(installed) == {DEAR_DAY: "open", date(2020, 5, 20): "open"}
    harbour.prices[date(2020, 5, 20)] = 499.0
    installed.night(NIGHT + timedelta(days=2))
    assert fates(installed) == {DEAR_DAY: "open", date(2020, 5, 20): "superseded"}


def test_a_day_that_has_begun_where_the_source_is_has_come(installed, harbour):
    evening = datetime(2020, 6, 9, 16, tzinfo=UTC)
    assert evening.astimezone(installed.feed.zone).date() == date(2020, 6, 10)
    harbour.prices[date(2020, 6, 10)] = 512.0
    harbour.prices[date(2020, 6, 11)] = 513.0
    installed.night(evening)
    assert installed.values(SERIES.id)[date(2020, 6, 10)] == 512.0
    assert fates(installed)[date(2020, 6, 11)] == "open", "that day lies ahead"
